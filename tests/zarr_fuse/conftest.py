from __future__ import annotations

import warnings

import pytest
import xarray as xr
from zarr.storage import ObjectStore

from tests.zarr_fuse import river
from tests.zarr_fuse.storages import FailingStore
from zarr_fuse import location, open_store
from zarr_fuse.commit import lease, process


class River:
    """The survey's store on a storage that can fail; `restart` is what a new process would see."""

    def __init__(self, patch):
        self.storage = FailingStore()
        self.life = 0
        patch.setattr(location, "open_object_store", lambda *_, **__: self.storage)
        patch.setattr(lease, "holder", lambda: {**process.holder(), "life": self.life})
        patch.setattr(lease, "is_dead", lambda other: other["life"] != self.life)

    def open(self, schema=river.SCHEMA, **options):
        return open_store(schema, STORE_URL="memory://river", **options)

    def restart(self):
        self.storage.heal()
        self.life += 1

    def dataset(self, path):
        """A node as plain xarray reads it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return xr.open_zarr(ObjectStore(self.storage), group=path, consolidated=True, chunks=None).load()


@pytest.fixture
def survey(monkeypatch):
    return River(monkeypatch)
