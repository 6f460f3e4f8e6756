"""What `pip install .` installs is all that the services need, away from the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.rigs.project import ROOT

NOT_SHIPPED = {"pyproject.toml"}
IMPORTING = """
import importlib, pkgutil, sys
names = ["zarr_fuse", "packages.common", "packages.cli"]
names += ["services.ingress_service", "services.extractor_service"]
found = []
for name in names:
    package = importlib.import_module(name)
    assert package.__path__[0].startswith(sys.prefix), package.__path__
    found += [one.name for one in pkgutil.walk_packages(package.__path__, f"{name}.")]
plugins = "services.extractor_service.plugins"
found += [f"{plugins}.ingress_queue", f"{plugins}.queue_page.app"]
for name in found:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(found))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel") / "clone"
    folder.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    leavings = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")
    for name in ("packages", "services"):
        shutil.copytree(ROOT / name, folder / name, ignore=leavings)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path) -> Path:
    target = clone.parent / "dist"
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", target, clone)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """An environment with the wheel, and with the libraries of this one but nothing of this clone."""
    folder = wheel.parents[1] / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    uv("pip", "install", "--no-deps", "--python", folder / "bin" / "python", wheel)
    return folder


def uv(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "uv", "--offline", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(installed: Path, program: str, *arguments: str, code: int = 0) -> str:
    """What a program of the environment prints before it ends with this code, in an empty folder."""
    home = installed.parent / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [installed / "bin" / program, *arguments],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_every_file_of_the_packages_is_in_the_wheel(clone: Path, wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(clone) for path in clone.rglob("*") if path.is_file() and "build" not in path.parts
    }
    wanted = {path.as_posix() for path in files if len(path.parts) > 1 and path.name not in NOT_SHIPPED}
    wanted = {path.replace("packages/zarr_fuse/", "zarr_fuse/", 1) for path in wanted}
    assert {path for path in wanted if ".egg-info/" not in path} - held == set()


def test_everything_can_be_imported_from_the_wheel_alone(installed: Path) -> None:
    assert int(run(installed, "python", "-W", "ignore", "-c", IMPORTING).splitlines()[-1]) > 200


def test_the_command_is_there(installed: Path) -> None:
    assert "sweep" in run(installed, "ingress", "--help")
    assert run(installed, "ingress", "--version").strip() != "unknown"


def test_the_demo_says_that_it_wants_a_clone(installed: Path) -> None:
    assert "in a clone of the project" in run(installed, "ingress", "demo", "--once", code=1)
