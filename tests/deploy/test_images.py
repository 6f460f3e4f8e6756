"""What is in the images, and what is not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.deploy.conftest import REQUIRED
from tests.deploy.containers import inside
from tests.rigs.docker_engine import DockerEngine

pytestmark = pytest.mark.deploy
PYTHON_IMAGES = ("ingress", "extractor")
BUILD_TOOLS = ("cc", "gcc", "g++", "make", "ld", "uv", "pip", "pip3", "git")
CACHES = (
    *("/uv-cache", "/tools", "/src", "$HOME/.cache", "/root/.cache"),
    *("/var/lib/apt/lists", "/var/cache/apt"),
)
SIZE_LIMIT_MB = {"ingress": 1100, "extractor": 1600, "s3": 700}


@pytest.mark.parametrize("name", SIZE_LIMIT_MB)
def test_image_says_what_it_is_and_runs_as_nobody(
    engine: DockerEngine, images: dict[str, str], name: str
) -> None:
    (described,) = json.loads(engine.docker("image", "inspect", images[name]))
    labels = described["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"].startswith("zarr-fuse-")
    assert {"version", "revision", "licenses", "description"} <= {key.rpartition(".")[2] for key in labels}
    assert described["Config"]["User"] == "10001:10001"
    assert described["Config"]["Healthcheck"]["Test"]
    assert described["Size"] / 1e6 < SIZE_LIMIT_MB[name]


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_image_holds_no_build_tool_and_no_cache(
    engine: DockerEngine, images: dict[str, str], name: str
) -> None:
    tools = f"for tool in {' '.join(BUILD_TOOLS)}; do command -v $tool || true; done"
    look = f"{{ {tools}; ls -A {' '.join(CACHES)} || true; }} 2>/dev/null"
    listed = inside(engine, images[name], "sh", "-c", look).splitlines()
    assert [line for line in listed if line and not line.endswith(":")] == []
    with pytest.raises(RuntimeError, match="No module named pip"):
        inside(engine, images[name], "/usr/bin/env", "PATH=/usr/local/bin:/usr/bin", "python3", "-m", "pip")


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_every_package_has_the_version_of_the_lock(
    engine: DockerEngine, images: dict[str, str], tree: Path, name: str
) -> None:
    lock = (tree / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.MULTILINE))
    assert installed(engine, images[name]) - locked == {("zarr-fuse-ingress", "0.1.0")}


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_extractors_get_what_their_requirements_name(
    engine: DockerEngine, images: dict[str, str], name: str
) -> None:
    assert REQUIRED in {package for package, _ in installed(engine, images[name])}


def test_nothing_is_required_where_no_requirements_are_given(
    engine: DockerEngine, tree: Path, tmp_path: Path
) -> None:
    shipped = shutil.copytree(tree, tmp_path / "clone")
    (shipped / "inputs" / "requirements.txt").unlink()
    image = build_environment(engine, shipped)
    command = ("run", "--rm", image, "/opt/venv/bin/python", "-c", f"import {REQUIRED}")
    assert "ModuleNotFoundError" in engine.run("docker", *command, check=False).stderr


def test_package_that_is_not_what_was_locked_is_refused(
    engine: DockerEngine, tree: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(tree, tmp_path / "clone")
    lock = (changed / "requirements.lock").read_text(encoding="utf-8")
    entry = re.search(r"^httptools==(?:.*\\\n)+.*$", lock, flags=re.MULTILINE)
    assert entry
    forged = re.sub(r"sha256:\w{8}", "sha256:00000000", entry[0])
    (changed / "requirements.lock").write_text(lock.replace(entry[0], forged), encoding="utf-8")
    file = changed / "oci" / "ingress.Containerfile"
    refused = engine.run("docker", "build", "--target=environment", "--file", file, changed, check=False)
    assert refused.returncode
    assert "Hash mismatch for `httptools" in refused.stderr


def test_ingress_image_holds_neither_airflow_nor_the_tools_of_developers(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    names = {name for name, _ in installed(engine, images["ingress"])}
    assert {"fastapi", "zarr-fuse-ingress", "opentelemetry-sdk", "h5netcdf"} <= names
    assert {name for name in names if "airflow" in name} == set()
    assert names & {"pytest", "mypy", "ruff", "moto", "setuptools", "uv", "playwright"} == set()


def test_airflow_has_its_executors_database_and_logs(engine: DockerEngine, images: dict[str, str]) -> None:
    modules = (
        "airflow.providers.cncf.kubernetes.executors.kubernetes_executor",
        "airflow.providers.celery.executors.celery_executor",
        "airflow.providers.amazon.aws.log.s3_task_handler",
        "psycopg2",
        "asyncpg",
        "redis",
        "cfgrib",
    )
    script = f"import {', '.join(modules)}; print('imported')"
    said = inside(engine, images["extractor"], "python", "-W", "ignore", "-c", script)
    assert said.splitlines()[-1] == "imported"


def build_environment(engine: DockerEngine, tree: Path) -> str:
    file = tree / "oci" / "ingress.Containerfile"
    return engine.docker("build", "--quiet", "--target", "environment", "--file", file, tree)


def installed(engine: DockerEngine, image: str) -> set[tuple[str, str]]:
    """Name and version of every package, as the lock writes them."""
    names = "print(*(f'{found.name}=={found.version}' for found in distributions()))"
    listing = f"from importlib.metadata import distributions; {names}"
    found = inside(engine, image, "python", "-c", listing).split()
    pairs = (one.split("==") for one in found)
    return {(re.sub("[-_.]+", "-", name).lower(), version) for name, version in pairs}
