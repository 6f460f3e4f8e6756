from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.compose import System, system
from tests.rigs.base_images import make_base_images
from tests.rigs.debian import RigUnavailableError
from tests.rigs.docker_engine import DockerEngine, running_engine
from tests.rigs.project import ROOT

SHIPPED = (
    ".dockerignore",
    "LICENSE",
    "README.md",
    "docker-compose.yaml",
    "inputs",
    "oci",
    "packages",
    "pyproject.toml",
    "requirements.lock",
    "services",
    "tools",
)
REQUIRED = "sortedcontainers"
"""A package that extractor functions of the tests need, and nothing else in the images."""
IMPATIENT = "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=20\n"
"""Tests that kill the scheduler need not wait two minutes for the next sweep."""


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    """A Docker engine of its own; what it lacks is the reason of the skip."""
    try:
        with running_engine() as engine:
            make_base_images(engine)
            yield engine
    except RigUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is shipped, as a clone would have it, and the requirements of a user's extractors."""
    folder = tmp_path_factory.mktemp("clone")
    leavings = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=leavings)
        else:
            shutil.copy(source, folder / name)
    (folder / "inputs" / "requirements.txt").write_text(f"{REQUIRED}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def images(engine: DockerEngine, tree: Path) -> dict[str, str]:
    """The three images, built from their Containerfiles."""
    names = {name: f"zarr-fuse-{name}:tested" for name in ("ingress", "extractor", "s3")}
    for name, tag in names.items():
        file = tree / "oci" / f"{name}.Containerfile"
        engine.docker("build", "--quiet", "--file", file, "--tag", tag, tree)
    engine.docker("image", "prune", "--force")  # those that had these names before
    return names


@pytest.fixture(scope="session")
def bundled(
    engine: DockerEngine, tree: Path, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """The system with everything in it, up and well."""
    folder = shutil.copytree(tree, tmp_path_factory.mktemp("bundled") / "clone")
    (folder / "services.env").write_text(IMPATIENT, encoding="utf-8")
    bundled = system(engine, folder, images)
    try:
        bundled.up()
        yield bundled
    finally:
        bundled.compose("down", "--volumes", "--timeout", "20", check=False)
