from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rigs import chromium
from tests.rigs.chromium import running_browser
from tests.rigs.debian import RigUnavailableError


@pytest.mark.parametrize(("uid", "word"), [(1000, "not-root"), (0, "no-apt")])
def test_rig_says_in_a_word_why_there_is_no_browser(monkeypatch, tmp_path, uid, word):
    monkeypatch.setattr(chromium, "CHROMIUM", Path(tmp_path / "chromium"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(RigUnavailableError, match=f"^{word}: "), running_browser():
        pytest.fail("the browser runs")
