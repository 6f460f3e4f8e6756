"""Where things lie: keys of a store and its sidecar, and the metadata documents of Zarr format 3.

<store>/zarr.json                   root group, with the consolidated metadata of the whole tree
<store>/<node>/zarr.json            group of a node, with the consolidated metadata below it
<store>/<node>/<array>/zarr.json    array
<store>/<node>/<array>/c/3/0        chunk
<store>.zf/lock/00000042            lease               (commit/lease.py)
<store>.zf/txn/00000042.json        commit record       (commit/records.py)
<store>.zf/txn/00000042/…           stage and intents         (commit/staging.py)
<store>.zf/ledger/00000001-00000042 compacted item ids  (commit/ledger.py)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from zarr_fuse.errors import CorruptStoreError
from zarr_fuse.storage.objects import Objects

Document = dict[str, Any]
Catalog = dict[
    str, Document
]  # path below the store ("" is the root) -> group or array document, not consolidated

STAMP = "__zf_transaction"
ORDERED = "__zf_ordered"  # on a node whose sorted axes are known to be in order
LEFT_OUT = "__zf_left_out"  # what schemas of earlier openings lacked; told once
HIDDEN_PREFIX = "__zf_"


class Unconsolidated(Catalog):
    """A catalog put together document by document, because the root names no other."""


class Layout:
    """The keys of one store; `name` is the store's folder name, empty for an in-memory store."""

    def __init__(self, name: str) -> None:
        self._data = f"{name}/" if name else ""
        self._side = f"{name}.zf/"

    @property
    def data_root(self) -> str:
        """The store's own folder."""
        return self._data.rstrip("/")

    def data(self, path: str) -> str:
        """Key of something inside the Zarr hierarchy."""
        return self._data + path

    def folder(self, path: str) -> str:
        """Folder of a group or an array."""
        return join(self.data_root, path)

    def document(self, path: str) -> str:
        """Key of the metadata document of a group or an array."""
        return self._data + join(path, "zarr.json")

    def chunk(self, path: str, index: tuple[int, ...]) -> str:
        """Key of a chunk, by the default chunk key encoding with `/`."""
        return self._data + "/".join((path, "c", *map(str, index)))

    def side(self, path: str = "") -> str:
        """Key of something in the sidecar."""
        return (self._side + path).rstrip("/")

    def lock(self, number: int) -> str:
        """Key of the lock object with this fencing number."""
        return self.side(f"lock/{number:08d}")

    def record(self, number: int) -> str:
        """Key of the commit record of the transaction with this number."""
        return self.side(f"txn/{number:08d}.json")

    def stage(self, number: int, name: str = "") -> str:
        """Key of a staged object; without a name, the folder of the stage."""
        return self.side(f"txn/{number:08d}/{name}")

    def segment(self, low: int, high: int) -> str:
        """Key of the ledger segment that holds the item ids of the transactions `low` to `high`."""
        return self.side(f"ledger/{low:08d}-{high:08d}")


def join(*parts: str) -> str:
    """A path from its non-empty parts."""
    return "/".join(part for part in parts if part)


def is_group(document: Document) -> bool:
    """Whether a document describes a group."""
    return bool(document["node_type"] == "group")


def group_document(attributes: Mapping[str, Any]) -> Document:
    """The document of a group, not consolidated."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def children(catalog: Mapping[str, Document], path: str, *, groups: bool) -> Iterator[str]:
    """Names directly below a path: its groups, or its arrays."""
    prefix = f"{path}/" if path else ""
    for name, document in catalog.items():
        rest = name[len(prefix) :]
        if name.startswith(prefix) and rest and "/" not in rest and is_group(document) == groups:
            yield rest


def consolidated(catalog: Mapping[str, Document], path: str) -> Document:
    """The document of a group with the consolidated metadata of everything below it inline."""
    prefix = f"{path}/" if path else ""
    below = {
        name[len(prefix) :]: catalog[name]
        for name in sorted(catalog)
        if name.startswith(prefix) and name != path
    }
    return {
        **catalog[path],
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": below},
    }


def encode(document: Mapping[str, Any]) -> bytes:
    """A document as the bytes of a `zarr.json`."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def decoded(data: bytes, key: str) -> Document:
    """The document in the bytes of a `zarr.json`.

    Raises:
        CorruptStoreError: they hold none.
    """
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CorruptStoreError(f"{key} holds no metadata")
    return document


def read_catalog(objects: Objects, layout: Layout) -> Catalog | None:
    """All documents of the store as of the last commit, or None where there is no store.

    A store without consolidated metadata is read document by document, into an `Unconsolidated` catalog.
    """
    data = objects.get(layout.document(""))
    if data is None:
        return None
    root = decoded(data, layout.document(""))
    tree = root.pop("consolidated_metadata", None)
    if tree is None:
        return Unconsolidated(scan(objects, layout))
    catalog: Catalog = {"": root}
    for path, document in tree["metadata"].items():
        document.pop("consolidated_metadata", None)
        catalog[path] = document
    return catalog


def scan(objects: Objects, layout: Layout, path: str = "") -> Catalog:
    """The documents at and below a path as they are, read level by level."""
    catalog: Catalog = {}
    level = [path]
    while level:
        found = objects.get_many([layout.document(one) for one in level])
        present = [(one, data) for one, data in zip(level, found, strict=True) if data is not None]
        documents = {one: decoded(data, layout.document(one)) for one, data in present}
        for document in documents.values():
            document.pop("consolidated_metadata", None)
        catalog |= documents
        groups = [one for one, document in documents.items() if is_group(document)]
        level = [join(one, name) for one in groups for name in objects.folders(layout.folder(one))]
    return catalog
