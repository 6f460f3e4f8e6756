"""Which transaction the documents of a store already show.

The root says so by its stamp. Other programs that write to a store drop the stamp; then the newest record
itself is compared with what lies in the store.
"""

from __future__ import annotations

from zarr_fuse.commit.ledger import Sidecar
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import STAMP, Catalog, Document, Layout, is_group


def last_applied(objects: Objects, layout: Layout, sidecar: Sidecar, catalog: Catalog) -> int:
    """Number of the last transaction whose documents were written, 0 where there is none."""
    stamp = int(catalog[""]["attributes"].get(STAMP, 0)) if catalog else 0
    if stamp:
        return stamp
    for number in reversed(sidecar.records):
        data = objects.get(layout.record(number))
        record = CommitRecord.decode(data) if data else None
        if record and not record.closed:
            return number if _is_applied(record, sidecar, catalog) else number - 1
    return sidecar.folded


def _is_applied(record: CommitRecord, sidecar: Sidecar, catalog: Catalog) -> bool:
    """Whether nothing that the record wants done is left to do; an array may have grown since."""
    left = set(sidecar.stages.get(record.number, ()))
    staged = [source for source, _ in record.staged]
    if staged:
        return not left.issuperset(staged)
    arrays = {path: document for path, document in record.documents.items() if not is_group(document)}
    return bool(arrays) and all(
        path in catalog and _covers(catalog[path], document) for path, document in arrays.items()
    )


def _covers(found: Document, recorded: Document) -> bool:
    pairs = zip(found.get("shape", ()), recorded["shape"], strict=False)
    return len(found.get("shape", ())) == len(recorded["shape"]) and all(
        extent >= length for extent, length in pairs
    )
