from __future__ import annotations

import pytest

from tests.zarr_fuse.older_stores import new_generation, older_generation
from tests.zarr_fuse.rivers import RIVERS

BOTH_FORMATS = ("test_merge", "test_store")  # modules whose tests hold for a store of either format


def pytest_generate_tests(metafunc):
    if "survey" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in BOTH_FORMATS:
        metafunc.parametrize("survey", RIVERS, indirect=True)


@pytest.fixture
def survey(request, monkeypatch):
    """A store in memory; of format icechunk in the modules that are about it."""
    usual = "icechunk" if "test_icechunk" in request.module.__name__ else "zarr"
    return RIVERS[getattr(request, "param", usual)](monkeypatch)


@pytest.fixture
def url(tmp_path):
    """Where a store in a folder may be made."""
    return str(tmp_path / "river.zarr")


@pytest.fixture
def new_store(tmp_path):
    return new_generation(tmp_path / "river.zarr")


@pytest.fixture
def old_store(tmp_path):
    return older_generation(tmp_path / "river.zarr")
