from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.cluster.release import HOW_TO, OLD_NAMES, put_chart
from tests.deploy.chart import CHART
from tests.docs.blocks import blocks_of
from tests.rigs import kubernetes
from tests.rigs import kubernetes_programs as programs
from tests.rigs.debian import RigUnavailableError
from tests.rigs.kubernetes import running_cluster
from tests.rigs.kubernetes_names import ServiceNames
from tests.rigs.kubernetes_objects import ACCOUNTS, access_file, accounts_file, basics
from tests.rigs.kubernetes_programs import SOURCE, kubernetes_programs


def test_rig_says_that_it_needs_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RigUnavailableError, match=r"^not-root: "), running_cluster():
        pytest.fail("the cluster runs")


def test_command_ends_with_the_reason(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert kubernetes.main() == 1
    assert capsys.readouterr().err.startswith("not-root: ")


@pytest.mark.parametrize("content", [b"another archive", None])
def test_source_that_is_not_the_one_that_was_tried_is_not_compiled(monkeypatch, tmp_path, content):
    archive = tmp_path / "mirror" / SOURCE
    archive.parent.mkdir(parents=True)
    if content:
        archive.write_bytes(content)
    monkeypatch.setattr(programs, "debian_mirror", (tmp_path / "mirror").as_uri)
    monkeypatch.setattr(programs, "_take_ready_made", lambda *places: None)
    monkeypatch.setattr(programs, "_take_helm", lambda *places: None)
    with pytest.raises(RigUnavailableError, match=r"^no-source: "):
        kubernetes_programs(tmp_path / "rig")


def kubernetes_made(folder: Path) -> Path:
    (folder / "bin").mkdir()
    (folder / "bin" / "complete").touch()
    return folder


def test_what_was_compiled_is_taken_as_it_is(tmp_path):
    assert kubernetes_programs(kubernetes_made(tmp_path)) == tmp_path / "bin"


def test_every_part_proves_who_it_is():
    tokens = {line.split(",")[0]: line.split(",")[1] for line in accounts_file().splitlines()}
    for name, account in ACCOUNTS.items():
        access = yaml.safe_load(access_file(name, "https://api"))
        assert tokens[access["users"][0]["user"]["token"]] == account.user
    assert len(tokens) == len(ACCOUNTS)


def test_volumes_lie_in_the_folder_of_the_cluster(tmp_path):
    volumes = [one for one in basics(2, tmp_path) if one["kind"] == "PersistentVolume"]
    assert [Path(one["spec"]["local"]["path"]).is_dir() for one in volumes] == [True, True]


class Told:
    def __init__(self):
        self.commands = []

    def run(self, *command):
        self.commands.append(command)


def service(name: str, address: str) -> dict:
    return {"metadata": {"name": name, "namespace": "lake"}, "spec": {"clusterIP": address}}


def test_names_are_told_once_for_each_change(tmp_path):
    node = Told()
    (tmp_path / "dnsmasq.pid").write_text("7\n", encoding="utf-8")
    names = ServiceNames(node, tmp_path, "", "")
    for _ in range(2):
        names._publish([service("a", "10.0.0.1"), service("b", "None")])
    assert (tmp_path / "hosts").read_text(encoding="utf-8") == "10.0.0.1 a.lake.svc.cluster.local\n"
    assert node.commands == [("kill", "-HUP", "7")]


def test_copy_of_the_chart_differs_in_nothing_but_the_older_names(tmp_path):
    put_chart(tmp_path)
    copy = tmp_path / "charts" / CHART.name
    files = [path.relative_to(CHART) for path in CHART.rglob("*") if path.is_file()]
    changed = [str(path) for path in files if (copy / path).read_bytes() != (CHART / path).read_bytes()]
    assert sorted(changed) == sorted(OLD_NAMES)


def test_pages_have_the_commands_that_are_run_in_the_cluster():
    found = {page: {block.name for block in blocks_of(HOW_TO / page, "cluster")} for page in PAGES}
    assert found == PAGES


PAGES = {
    "install-kubernetes.md": {"install", "uninstall", "remove"},
    "upgrade.md": {"upgrade", "downgrade"},
}
