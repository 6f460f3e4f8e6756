from __future__ import annotations

import os
import subprocess

import pytest

from tests.rigs import debian, docker_engine
from tests.rigs.debian import RigUnavailableError, debian_mirror, private_apt
from tests.rigs.docker_engine import FOREIGN_RULE, other_engines, running_engine
from tests.rigs.waiting import wait_until


def test_rig_says_that_it_needs_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RigUnavailableError, match=r"^not-root: "), running_engine():
        pytest.fail("the engine runs")


def test_command_ends_with_the_reason(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert docker_engine.main() == 1
    assert capsys.readouterr().err.startswith("not-root: ")


def test_rig_says_that_there_is_no_debian(monkeypatch, tmp_path):
    monkeypatch.setattr(debian, "debian_mirror", lambda: None)
    with pytest.raises(RigUnavailableError, match=r"^no-apt: "):
        private_apt(tmp_path, "trixie")


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("deb http://deb.example.org/debian bookworm main\n", "http://deb.example.org/debian"),
        ("deb [arch=amd64] https://a.example.org/debian/ trixie main\n", "https://a.example.org/debian"),
        ("Types: deb\nURIs: http://b.example.org/debian\nSuites: trixie\n", "http://b.example.org/debian"),
        ("deb http://c.example.org/ubuntu noble main\n", None),
    ],
)
def test_mirror_of_the_machine_is_found(monkeypatch, tmp_path, text, mirror):
    path = tmp_path / "sources"
    path.write_text(text)
    monkeypatch.setattr(debian, "SOURCES", (path, tmp_path / "none"))
    assert debian_mirror() == mirror


def test_only_rules_of_the_engine_are_taken_back():
    assert FOREIGN_RULE.match("-A FORWARD -j DOCKER-USER")
    assert FOREIGN_RULE.match("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE")
    assert FOREIGN_RULE.match("-A FORWARD -i br-0123456789ab -o br-0123456789ab -j ACCEPT")
    assert not FOREIGN_RULE.match("-A FORWARD -i eth0 -j ACCEPT")
    assert not FOREIGN_RULE.match("-A INPUT -i docker0 -j ACCEPT")


def test_another_engine_of_this_network_is_seen(tmp_path):
    program = tmp_path / "dockerd"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        try:
            wait_until(lambda: process.pid in other_engines(), "a process to take its name")
        finally:
            process.kill()
    assert process.pid not in other_engines()
