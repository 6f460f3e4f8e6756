"""Completing what a dead writer has committed, undoing what it has not."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

from zarr_fuse.commit.applied import last_applied
from zarr_fuse.commit.ledger import Ledger, Sidecar, read_sidecar
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.commit.staging import intended
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.chunks import Index, StoredArray
from zarr_fuse.stored.layout import Catalog, Document, Layout

Apply = Callable[[CommitRecord, Catalog], Catalog]


class Recovery:
    """Repairs the store for the holder of lease `number`; `apply` carries out a committed record."""

    def __init__(
        self,
        objects: Objects,
        layout: Layout,
        ledger: Ledger,
        apply: Apply,
        renew: Callable[[], None],
    ) -> None:
        self._objects = objects
        self._layout = layout
        self._ledger = ledger
        self._apply = apply
        self._renew = renew

    def run(self, number: int, catalog: Catalog) -> Catalog:
        """Close the numbers of dead writers below `number`, settle their leftovers, return the catalog."""
        sidecar = read_sidecar(self._objects, self._layout)
        for open_number in _unrecorded(sidecar, number):
            self._objects.create(self._layout.record(open_number), closing(open_number).encode())
        sidecar = read_sidecar(self._objects, self._layout)
        stamp = last_applied(self._objects, self._layout, sidecar, catalog)
        for one in sidecar.records:
            if one > stamp or one in sidecar.stages:
                catalog = self._settle(one, stamp, sidecar, catalog)
        return catalog

    def _settle(self, number: int, stamp: int, sidecar: Sidecar, catalog: Catalog) -> Catalog:
        data = self._objects.get(self._layout.record(number))
        record = CommitRecord.decode(data) if data else closing(number)
        self._ledger.learn(record)
        left = sidecar.stages.get(number, [])
        if record.closed:
            self._undo(left, catalog)
        elif number > stamp:
            catalog = self._apply(record, catalog)
        self._renew()
        self._objects.delete(left)
        return catalog

    def _undo(self, left: Iterable[str], catalog: Catalog) -> None:
        """Blank what an unfinished writer put beyond the committed extent."""
        for key in left:
            if not key.rpartition("/")[2].startswith("intent-"):
                continue
            for path, index in intended(self._objects.get(key) or b"[]"):
                self._renew()
                self._blank(path, index, catalog.get(path))

    def _blank(self, path: str, index: Index, document: Document | None) -> None:
        key = self._layout.chunk(path, index)
        array = StoredArray(path, document) if document else None
        bounds = array.committed(index) if array else None
        data = self._objects.get(key) if array and bounds else None
        if array is None or bounds is None or data is None:
            self._objects.delete([key])
            return
        cells = array.full(array.fill)
        cells[bounds] = array.decode(data)[bounds]
        if array.is_fill(cells):
            self._objects.delete([key])
        else:
            self._objects.put(key, array.encode(cells), durable=True)


def has_leftovers(objects: Objects, layout: Layout, catalog: Catalog) -> bool:
    """Whether a writer is at work, or died."""
    sidecar = read_sidecar(objects, layout)
    if sidecar.stages:
        return True
    stamp = last_applied(objects, layout, sidecar, catalog)
    return any(number > stamp for number in sidecar.records)


def closing(number: int) -> CommitRecord:
    """The record that keeps a writer from committing under this number."""
    return CommitRecord(number, secrets.token_hex(8), closed=True)


def _unrecorded(sidecar: Sidecar, number: int) -> list[int]:
    """Numbers below `number` that a paused writer could still commit."""
    known = set(sidecar.records)
    return [one for one in range(sidecar.folded + 1, number) if one not in known]
