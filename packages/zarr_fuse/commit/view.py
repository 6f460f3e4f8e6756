"""What one snapshot of an icechunk repository holds."""

from __future__ import annotations

import json
from collections.abc import Sequence

from zarr.abc.store import Store as ZarrStore

from zarr_fuse.commit.repository import Repository, SessionObjects
from zarr_fuse.stored.layout import Catalog, is_group, join


class View:
    """Chunks and documents of a snapshot; `show` turns to another one."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._snapshot = ""
        self._objects: SessionObjects | None = None
        self._catalog: Catalog | None = None
        self._counted = 0

    @property
    def requests(self) -> int:
        """Reads made so far."""
        return self._counted + (self._objects.requests if self._objects else 0)

    def show(self, snapshot: str, catalog: Catalog | None = None) -> None:
        """Turn to a snapshot, whose documents may be known already."""
        if snapshot != self._snapshot:
            self._counted, self._objects = self.requests, None
            self._snapshot, self._catalog = snapshot, catalog

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        return self._opened.get(key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The bytes under several keys, in their order."""
        return self._opened.get_many(keys)

    def catalog(self) -> Catalog:
        """All documents; empty where nothing has been made yet."""
        if self._catalog is None:
            self._catalog = _documents(self._opened)
        return dict(self._catalog)

    def zarr_store(self) -> ZarrStore:
        """The snapshot as a read-only zarr store."""
        return self._repository.reading(self._snapshot).store

    @property
    def _opened(self) -> SessionObjects:
        if self._objects is None:
            self._objects = SessionObjects(self._repository.reading(self._snapshot))
        return self._objects


def _documents(objects: SessionObjects) -> Catalog:
    """The documents of the tree, level by level."""
    catalog: Catalog = {}
    level = [""]
    while level:
        found = objects.get_many([join(path, "zarr.json") for path in level])
        documents = {path: json.loads(data) for path, data in zip(level, found, strict=True) if data}
        catalog |= documents
        groups = [path for path, document in documents.items() if is_group(document)]
        level = [join(path, name) for path in groups for name in objects.names(path) if name != "zarr.json"]
    for document in catalog.values():
        document.pop("consolidated_metadata", None)
    return catalog
