"""What another program wrote into a store of ours between two transactions: taken over if it is consistent.

Such a program knows neither consolidated metadata nor the sidecar. It grows arrays, and the groups that it
writes lose their consolidated part and our helpers.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from zarr_fuse.commit.ledger import read_sidecar
from zarr_fuse.commit.write_ahead import WriteAhead
from zarr_fuse.errors import CorruptStoreError
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import (
    ORDERED,
    Catalog,
    Document,
    Layout,
    Unconsolidated,
    children,
    decoded,
    is_group,
    join,
    scan,
)

if TYPE_CHECKING:
    from zarr_fuse.store import Store

CONSOLIDATED = "consolidated_metadata"

logger = logging.getLogger("zarr_fuse")


def lost_groups(store: Store) -> list[str]:
    """Groups that another program has written since the last commit."""
    if not isinstance(store.commits, WriteAhead):
        return []
    if isinstance(store.catalog, Unconsolidated):
        sidecar = read_sidecar(store.objects, store.layout)
        return [""] if sidecar.records or sidecar.segments else []
    groups = [path for path, document in store.catalog.items() if is_group(document)]
    found = store.objects.get_many([store.layout.document(path) for path in groups])
    return [
        path
        for path, data in zip(groups, found, strict=True)
        if data is not None and CONSOLIDATED not in decoded(data, store.layout.document(path))
    ]


def foreign_documents(store: Store, path: str) -> Catalog:
    """The documents of a node, as they lie in the store, that the last commit does not know.

    Raises:
        CorruptStoreError: the arrays of the node disagree on the length of an axis.
    """
    if not isinstance(store.commits, WriteAhead) or path not in store.catalog:
        return {}
    found = _differing(store.objects, store.layout, store.catalog, path)
    if found:
        logger.warning("%s: another program wrote here; its work is taken over", path or "the root")
        require_agreement({**store.catalog, **found}, path)
    return found


def unconsolidated_groups(catalog: Catalog) -> Catalog:
    """The groups that the first commit on a store without consolidated metadata has to write.

    Raises:
        CorruptStoreError: the arrays of a node disagree on the length of an axis.
    """
    if not isinstance(catalog, Unconsolidated):
        return {}
    groups = {path: _unordered(document) for path, document in catalog.items() if is_group(document)}
    for path in groups:
        require_agreement(catalog, path)
    return groups


def require_agreement(catalog: Catalog, path: str) -> None:
    """Make sure that all arrays of a node have the same length on each axis.

    Raises:
        CorruptStoreError: they have not.
    """
    lengths: dict[str, tuple[str, int]] = {}
    for name in sorted(children(catalog, path, groups=False)):
        document = catalog[join(path, name)]
        pairs = zip(document.get("dimension_names") or (), document["shape"], strict=False)
        for axis, length in pairs:
            other, known = lengths.setdefault(axis, (name, length))
            if known != length:
                raise CorruptStoreError(
                    f"{path or 'the root'}: along {axis} {other} has length {known}, {name} {length}"
                )


def _differing(objects: Objects, layout: Layout, catalog: Catalog, path: str) -> Catalog:
    names = [path, *(join(path, name) for name in children(catalog, path, groups=False))]
    data = objects.get_many([layout.document(name) for name in names])
    documents: dict[str, Document] = {
        name: decoded(text, layout.document(name))
        for name, text in zip(names, data, strict=True)
        if text is not None
    }
    group = documents.get(path)
    if group is None:
        return {}
    is_lost = group.pop(CONSOLIDATED, None) is None
    if is_lost:
        documents |= scan(objects, layout, path)
    changed = {name: one for name, one in documents.items() if catalog.get(name) != one}
    if changed or is_lost:
        changed[path] = _unordered(documents[path])
    return changed


def _unordered(group: Document) -> Document:
    """The document of a group whose axes have to be looked at again."""
    attributes = {key: value for key, value in group["attributes"].items() if key != ORDERED}
    return {**group, "attributes": attributes}
