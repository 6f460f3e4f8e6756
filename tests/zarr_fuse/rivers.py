"""The survey's store in either format, on a storage that can fail."""

from __future__ import annotations

import json
import uuid
import warnings

import icechunk
import xarray as xr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import ObjectStore

from tests.zarr_fuse import river
from tests.zarr_fuse.storages import FailingStore
from zarr_fuse import open_store
from zarr_fuse.commit import icechunk_storage, lease, process, repository
from zarr_fuse.storage import location


class River:
    """The survey's store on a storage that can fail; `restart` is what a new process would see."""

    store_format = "zarr"

    def __init__(self, patch):
        self.storage = FailingStore()
        self.life = 0
        self.url = f"memory://river-{uuid.uuid4().hex}"
        patch.setattr(location, "open_object_store", lambda *_, **__: self.storage)
        patch.setattr(lease, "holder", lambda: {**process.holder(), "life": self.life})
        patch.setattr(lease, "is_dead", lambda other: other["life"] != self.life)

    def open(self, schema=river.SCHEMA, **options):
        return open_store(schema, STORE_URL=self.url, STORE_FORMAT=self.store_format, **options)

    def restart(self):
        self.storage.switch.heal()
        self.life += 1

    def zarr_store(self):
        """The dataset store as others would open it."""
        return ObjectStore(self.storage)

    def dataset(self, path):
        """A node as plain xarray reads it."""
        consolidated = self.store_format == "zarr"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return xr.open_zarr(self.zarr_store(), group=path, consolidated=consolidated, chunks=None).load()

    def objects(self):
        """Everything stored for the dataset, by key; nothing of the sidecar."""
        keys = [meta["path"] for page in self.storage.list() for meta in page]
        return {key: bytes(self.storage.get(key).bytes()) for key in keys if not key.startswith(".zf/")}

    def sidecar(self):
        """Everything stored beside the dataset, by key."""
        keys = [meta["path"] for page in self.storage.list() for meta in page]
        return {key: bytes(self.storage.get(key).bytes()) for key in keys if key.startswith(".zf/")}

    def root_attributes(self):
        """Attributes of the root group."""
        return json.loads(self.objects()["zarr.json"])["attributes"]


class IcechunkRiver(River):
    """The same in a repository; a call of icechunk fails as a call of the storage does."""

    store_format = "icechunk"

    def __init__(self, patch):
        super().__init__(patch)
        call = repository.call
        patch.setattr(icechunk_storage, "_memory", {})
        patch.setattr(repository, "call", lambda what, act: call(what, lambda: self.storage._act(act)))

    def zarr_store(self):
        storage = icechunk_storage._memory[self.url]
        return icechunk.Repository.open(storage).readonly_session("main").store

    def objects(self):
        store, prototype = self.zarr_store(), default_buffer_prototype()

        async def everything():
            return {key: (await store.get(key, prototype)).to_bytes() async for key in store.list()}

        return sync(everything())


RIVERS: dict[str, type[River]] = {one.store_format: one for one in (River, IcechunkRiver)}
