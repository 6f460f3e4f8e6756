"""Any zarr store as a store handle sees it that only reads: archives, and what a caller has opened."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import ZipStore

from zarr_fuse.commit.edits import ChunkEdit, Stage
from zarr_fuse.commit.history import Commit
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.errors import CorruptStoreError, ReadOnlyError, StoreNotFoundError
from zarr_fuse.stored.layout import Catalog, Layout, decoded, is_group, join


def zip_archive(path: Path) -> Readings:
    """The store inside a zip archive.

    Raises:
        StoreNotFoundError: there is no such file.
        CorruptStoreError: the file is no zip archive.
    """
    if not path.is_file():
        raise StoreNotFoundError(f"there is no archive {path}")
    if not zipfile.is_zipfile(path):
        raise CorruptStoreError(f"{path} is no zip archive")
    return Readings(sync(ZipStore.open(path, mode="r")))


class ZarrObjects:
    """Reads the keys of a zarr store."""

    def __init__(self, store: ZarrStore) -> None:
        self._store = store
        self.requests = 0

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The bytes under several keys, in their order."""
        self.requests += len(keys)
        return sync(self._all(keys))

    def names(self, path: str) -> list[str]:
        """Names directly below a group."""
        self.requests += 1
        return sync(self._below(path))

    async def _all(self, keys: Sequence[str]) -> list[bytes | None]:
        prototype = default_buffer_prototype()
        found = await asyncio.gather(*(self._store.get(key, prototype) for key in keys))
        return [None if buffer is None else bytes(buffer.to_bytes()) for buffer in found]

    async def _below(self, path: str) -> list[str]:
        return [name async for name in self._store.list_dir(path)]


class NoLedger:
    """The ledger lies beside a store, so that nothing is known of one that was handed over alone."""

    def contains(self, item_ids: Iterable[str]) -> set[str]:  # noqa: ARG002 - as the protocol says
        """None of them."""
        return set()


class Readings:
    """The commit protocol of a store that is never written: its documents, chunks and nothing else."""

    number = 0
    snapshot = ""
    reruns = 0

    def __init__(self, store: ZarrStore) -> None:
        self.layout = Layout("")
        self.chunks = ZarrObjects(store)
        self.ledger = NoLedger()
        self.consolidated = False
        self._store = store if store.read_only else _frozen(store)

    @property
    def requests(self) -> int:
        """Reads made so far."""
        return self.chunks.requests

    def read(self) -> Catalog | None:
        """The documents of the store, None where there is none."""
        root = self.chunks.get("zarr.json")
        if root is None:
            return None
        document = decoded(root, "zarr.json")
        tree = document.pop("consolidated_metadata", None)
        self.consolidated = tree is not None
        catalog: Catalog = {"": document} if tree is None else {"": document, **tree["metadata"]}
        if tree is None:
            self._walk(catalog)
        for one in catalog.values():
            one.pop("consolidated_metadata", None)
        return catalog

    def zarr_store(self) -> ZarrStore:
        """The store, read-only."""
        return self._store

    def history(self) -> list[Commit]:
        """Nothing: commits are recorded beside a store."""
        return []

    def _walk(self, catalog: Catalog) -> None:
        """Add the documents below the root, level by level."""
        level = [""]
        while level:
            paths = [join(path, name) for path in level for name in self.chunks.names(path)]
            found = zip(paths, self.chunks.get_many([join(path, "zarr.json") for path in paths]), strict=True)
            present = [(path, data) for path, data in found if data is not None]
            documents = {path: decoded(data, join(path, "zarr.json")) for path, data in present}
            catalog |= documents
            level = [path for path, document in documents.items() if is_group(document)]

    # What a writer would do.

    def create_groups(self, catalog: Catalog, missing: Catalog) -> Catalog:  # noqa: ARG002
        """Refused."""
        raise _read_only()

    def repair(self, catalog: Catalog) -> Catalog:
        """Nothing: reading needs no repair."""
        return catalog

    def begin(self, catalog: Catalog, rerun: int = 0) -> tuple[bool, Catalog]:  # noqa: ARG002
        """Refused."""
        raise _read_only()

    def keep(self) -> None:
        """Refused."""
        raise _read_only()

    def stage(self, edits: Iterable[ChunkEdit], documents: Catalog) -> Stage:  # noqa: ARG002
        """Refused."""
        raise _read_only()

    def commit(self, record: CommitRecord, stage: Stage, catalog: Catalog) -> Catalog:  # noqa: ARG002
        """Refused."""
        raise _read_only()

    def discard(self) -> None:
        """Nothing: there is no transaction."""

    def remove(self) -> None:
        """Refused."""
        raise _read_only()

    def rollback(self, snapshot: str) -> None:  # noqa: ARG002
        """Refused."""
        raise _read_only()


def _frozen(store: ZarrStore) -> ZarrStore:
    try:
        return store.with_read_only(read_only=True)
    except NotImplementedError:
        return store


def _read_only() -> ReadOnlyError:
    return ReadOnlyError("this store is only read")
