"""What stands in the Containerfiles."""

from __future__ import annotations

import re

import pytest

from tests.rigs.project import ROOT
from zarr_fuse.version import __version__

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "oci").glob("*.Containerfile")}
PYTHON_IMAGES = ("extractor", "ingress")


def test_there_are_three() -> None:
    assert TEXTS.keys() == {"extractor", "ingress", "s3"}


@pytest.mark.parametrize("name", TEXTS)
def test_version_is_that_of_the_product(name: str) -> None:
    assert f"ARG VERSION={__version__}\n" in TEXTS[name]


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_base_image_is_an_argument(name: str) -> None:
    assert "ARG PYTHON_IMAGE=python:3.13-slim\n" in TEXTS[name]
    bases = re.findall(r"^FROM (\S+)", TEXTS[name], flags=re.MULTILINE)
    assert bases == ["${PYTHON_IMAGE}", "environment", "${PYTHON_IMAGE}"]


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_only_what_users_require_is_installed_without_hashes(name: str) -> None:
    commands = TEXTS[name].replace("\\\n", " ").splitlines()
    installs = [command for command in commands if "pip install" in command]
    without = [command for command in installs if "--require-hashes" not in command]
    assert len(installs) == 3
    assert len(without) == 1
    assert "--requirements requirements.txt --constraints requirements.lock" in without[0]
