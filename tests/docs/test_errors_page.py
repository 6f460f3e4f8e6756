from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.project import ROOT
from tools.error_page import PAGE, TREES, errors_of


def test_every_tree_of_errors_is_on_the_page() -> None:
    files = [*ROOT.glob("packages/**/errors.py"), *ROOT.glob("services/**/errors.py")]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    assert {name.replace("packages.zarr_fuse", "zarr_fuse") for name in modules} == TREES.keys()


@pytest.mark.parametrize("module", TREES)
def test_every_kind_of_error_is_on_the_page(module: str) -> None:
    text = Path(PAGE).read_text(encoding="utf-8")
    lines = {f"| `{kind}` | {retryable} |" for kind, retryable, _ in errors_of(module)}
    assert {line for line in lines if line not in text} == set(), "python -m tools.error_page writes it anew"
