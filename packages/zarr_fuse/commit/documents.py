"""Writing changed metadata documents so that a reader sees all of them at once: the root comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Catalog, Layout, consolidated, encode, is_group


def put_documents(
    objects: Objects, layout: Layout, changed: Iterable[str], merged: Catalog, renew: Callable[[], None]
) -> None:
    """Write the arrays, then the groups from the leaves up, each with the consolidated metadata below it.

    Args:
        changed: paths of the documents that differ from the stored ones.
        merged: all documents.
        renew: keeps the lease between the two.
    """
    arrays = [path for path in changed if not is_group(merged[path])]
    own = [(layout.document(path), encode(merged[path])) for path in arrays]
    groups = sorted(_ancestors(changed, merged), key=lambda path: (-path.count("/"), path == "", path))
    documents = [(layout.document(path), encode(consolidated(merged, path))) for path in groups]
    objects.put_many([*own, *documents[:-1]], durable=True)
    renew()
    objects.put(*documents[-1], durable=True)


def _ancestors(changed: Iterable[str], merged: Catalog) -> set[str]:
    """The changed groups, and every group above something changed."""
    found = {path for path in changed if is_group(merged[path])} | {""}
    for path in changed:
        parts = path.split("/")
        found |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    return {path for path in found if path in merged}
