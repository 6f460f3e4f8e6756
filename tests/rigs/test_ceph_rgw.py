from __future__ import annotations

import os

import pytest

from tests.rigs import ceph_rgw
from tests.rigs.ceph_rgw import running_gateway
from tests.rigs.debian import RigUnavailableError


def refused(monkeypatch, path="", uid=0):
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(RigUnavailableError) as reason, running_gateway():
        pytest.fail("the gateway runs")
    return str(reason.value)


def test_rig_says_that_it_needs_root(monkeypatch):
    assert refused(monkeypatch, uid=1000).startswith("not-root: ")


def test_rig_says_that_it_needs_apt(monkeypatch, tmp_path):
    assert refused(monkeypatch, tmp_path).startswith("no-apt: ")


def test_rig_says_what_the_installation_said(monkeypatch, tmp_path):
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho no package >&2\nexit 100\n")
    apt.chmod(0o755)
    assert refused(monkeypatch, tmp_path) == "install-failed: apt-get update: no package"


def test_command_ends_with_the_reason(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ceph_rgw.main() == 1
    assert capsys.readouterr().err.startswith("not-root: ")
