from __future__ import annotations

import re
import tomllib

import pytest

from tests.rigs.project import ROOT

CODE_FOLDERS = (
    "packages/common",
    "packages/zarr_fuse",
    "services/ingress_service",
    "services/extractor_service",
)
COMMAND_LINE_ONLY = {"rich", "typer"}


def project(folder: str = ".") -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))


def by_name(requirements: list[str]) -> dict[str, str]:
    return {re.split(r"[\[<>=~!; ]", requirement)[0]: requirement for requirement in requirements}


def test_root_depends_on_what_its_folders_depend_on_and_the_command_line() -> None:
    union = {}
    for folder in CODE_FOLDERS:
        union |= by_name(project(folder)["project"]["dependencies"])
    root = by_name(project()["project"]["dependencies"])
    assert {name: asked for name, asked in root.items() if name not in COMMAND_LINE_ONLY} == union
    assert root.keys() >= COMMAND_LINE_ONLY


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_folders_ask_for_the_same_versions_as_the_root(folder: str) -> None:
    root = by_name(project()["project"]["dependencies"])
    asked = by_name(project(folder)["project"]["dependencies"])
    assert asked == {name: root[name] for name in asked}


def test_extractor_and_root_want_the_same_airflow() -> None:
    extractor = project("services/extractor_service")["project"]["optional-dependencies"]["airflow"]
    assert extractor == project()["project"]["optional-dependencies"]["airflow"]


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_folders_support_the_same_pythons_as_the_root(folder: str) -> None:
    assert project(folder)["project"]["requires-python"] == project()["project"]["requires-python"]


def test_every_package_of_the_tree_is_installed_by_the_root() -> None:
    files = [*ROOT.glob("packages/*/**/*.py"), *ROOT.glob("services/*/**/*.py")]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in files}
    imported_as = {re.sub(r"^packages\.zarr_fuse", "zarr_fuse", name) for name in found}
    assert set(project()["tool"]["setuptools"]["packages"]) == imported_as


def test_lock_pins_every_dependency_with_hashes_and_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==", lock, flags=re.MULTILINE))
    declared = project()["project"]
    extras = [requirement for asked in declared["optional-dependencies"].values() for requirement in asked]
    assert set(by_name([*declared["dependencies"], *extras])) <= pinned
    assert "--hash=sha256:" in lock
    assert "://" not in lock
