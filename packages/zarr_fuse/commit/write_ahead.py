"""Committing to a plain Zarr store: stage, commit record, apply, clean; completing what a dead writer left.

| it dies | what is left | who repairs it, and how |
|---|---|---|
| while staging | intents, a stage, cells beyond the extent | the next holder blanks and removes them |
| before the answer to the commit | a record or none | reading it back decides |
| after the commit | a record newer than the stamp of the root | the next holder applies it |
| while cleaning | a stage with an applied record | the next holder removes it |

A chunk goes to its final key before the commit only if every committed cell in it keeps its value, and only
after an *intent* names it. So bytes beyond the committed extent are committed later or named by an intent.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from zarr_fuse.chunks import Index, StoredArray
from zarr_fuse.commit.lease import Lease
from zarr_fuse.commit.ledger import Ledger, Sidecar, read_sidecar
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.errors import LeaseLostError
from zarr_fuse.layout import STAMP, Catalog, Document, Layout, consolidated, encode, is_group
from zarr_fuse.objects import Objects

BATCH_BYTES = 32 * 2**20  # encoded chunks held in memory before they are written


@dataclass(frozen=True)
class ChunkEdit:
    """A chunk to be stored: `cells` of shape `array.chunk_shape`, None where all of them are fill now.

    `in_place`: no committed cell changes, so the final key may be written before the commit.
    """

    array: StoredArray
    index: Index
    cells: NDArray[Any] | None
    in_place: bool


@dataclass
class Stage:
    """What was staged: pairs (staged key, final key), final keys to delete, number of chunks."""

    staged: list[tuple[str, str]]
    deleted: list[str]
    keys: list[str]
    chunks: int = 0


class WriteAhead:
    """The commit protocol of one store handle; every method needs the lease."""

    def __init__(self, objects: Objects, layout: Layout, lease: Lease | None, ledger: Ledger) -> None:
        self._objects = objects
        self._layout = layout
        self._lease = lease
        self._ledger = ledger
        self.number = 0

    def stage(self, edits: Iterable[ChunkEdit]) -> Stage:
        """Write all chunks, to their final keys where that harms nobody, else to the stage."""
        stage = Stage([], [], [])
        for number, batch in enumerate(self._batches(edits, stage)):
            self._renew()
            direct = [(edit, data) for edit, data in batch if edit.in_place]
            if direct:
                key = self._layout.stage(self.number, f"intent-{number:06d}.json")
                self._objects.put(key, _intent(edit for edit, _ in direct), durable=True)
                stage.keys.append(key)
            self._objects.put_many([self._target(edit, data, stage) for edit, data in batch], durable=True)
        return stage

    def commit(self, record: CommitRecord) -> None:
        """Create the commit record.

        Raises:
            LeaseLostError: another writer closed this number.
        """
        if self._lease:
            self._lease.check()
        if not self._objects.create(self._layout.record(self.number), record.encode()):
            raise LeaseLostError(f"transaction {self.number} was closed by another writer")
        self._ledger.learn(record)

    def close(self) -> None:
        """Close the own number of a transaction that was discarded."""
        self._objects.create(self._layout.record(self.number), self._closing(self.number).encode())

    def apply(self, record: CommitRecord, catalog: Catalog) -> Catalog:
        """Carry a committed record out; repeating it is harmless. Returns the new catalog."""
        self._renew()
        self._objects.copy_many([(source, target) for source, target in record.staged])
        self._renew()
        self._objects.delete(list(record.deleted))
        if not (record.documents or record.staged or record.deleted):
            return catalog
        merged = {**catalog, **record.documents}
        root = merged[""]
        merged[""] = {**root, "attributes": {**root["attributes"], STAMP: record.number}}
        self._put_documents(record.documents, merged)
        return merged

    def clean(self, keys: Iterable[str]) -> None:
        """Remove staged objects and the own previous lock, and fold old records."""
        locks = self._lease.lower_locks() if self._lease and self._lease.follows_own else []
        self._objects.delete([*keys, *locks])
        if self.number % 16 == 0:
            self._ledger.compact()

    def recover(self, catalog: Catalog) -> Catalog:
        """Complete or undo what earlier writers left; returns the catalog after it."""
        sidecar = read_sidecar(self._objects, self._layout)
        for number in self._unrecorded(sidecar):
            self._objects.create(self._layout.record(number), self._closing(number).encode())
        sidecar = read_sidecar(self._objects, self._layout)
        stamp = catalog[""]["attributes"].get(STAMP, 0) if catalog else 0
        for number in [one for one in sidecar.records if one > stamp or one in sidecar.stages]:
            catalog = self._settle(number, stamp, sidecar, catalog)
        if self._lease:
            self._objects.delete(self._lease.lower_locks())
        return catalog

    def _settle(self, number: int, stamp: int, sidecar: Sidecar, catalog: Catalog) -> Catalog:
        data = self._objects.get(self._layout.record(number))
        record = CommitRecord.decode(data) if data else self._closing(number)
        self._ledger.learn(record)
        left = sidecar.stages.get(number, [])
        if record.closed:
            self._undo(left, catalog)
        elif number > stamp:
            catalog = self.apply(record, catalog)
        self._renew()
        self._objects.delete(left)
        return catalog

    def _undo(self, left: Iterable[str], catalog: Catalog) -> None:
        """Blank what an unfinished writer put beyond the committed extent."""
        for key in left:
            if not key.rpartition("/")[2].startswith("intent-"):
                continue
            for path, index in json.loads(self._objects.get(key) or b"[]"):
                self._renew()
                self._blank(path, tuple(index), catalog.get(path))

    def _blank(self, path: str, index: Index, document: Document | None) -> None:
        key = self._layout.chunk(path, index)
        array = StoredArray(path, document) if document else None
        bounds = _committed(array, index) if array else None
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

    def _unrecorded(self, sidecar: Sidecar) -> list[int]:
        """Numbers below the own one that a paused writer could still commit."""
        known = set(sidecar.records)
        return [number for number in range(sidecar.folded + 1, self.number) if number not in known]

    def _put_documents(self, changed: Iterable[str], merged: Catalog) -> None:
        arrays = [path for path in changed if not is_group(merged[path])]
        self._objects.put_many(
            [(self._layout.document(path), encode(merged[path])) for path in arrays], durable=True
        )
        self._renew()
        groups = sorted(_ancestors(changed, merged), key=lambda path: (-path.count("/"), path == "", path))
        documents = [(self._layout.document(path), encode(consolidated(merged, path))) for path in groups]
        self._objects.put_many(documents[:-1], durable=True)
        self._objects.put(*documents[-1], durable=True)

    def _batches(self, edits: Iterable[ChunkEdit], stage: Stage) -> Iterator[list[tuple[ChunkEdit, bytes]]]:
        batch, size = list[tuple[ChunkEdit, bytes]](), 0
        for edit in edits:
            stage.chunks += 1
            if edit.cells is None:
                stage.deleted.append(self._layout.chunk(edit.array.path, edit.index))
                continue
            data = edit.array.encode(edit.cells)
            batch.append((edit, data))
            size += len(data)
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _target(self, edit: ChunkEdit, data: bytes, stage: Stage) -> tuple[str, bytes]:
        final = self._layout.chunk(edit.array.path, edit.index)
        if edit.in_place:
            return final, data
        key = self._layout.stage(self.number, f"{len(stage.staged):08d}")
        stage.staged.append((key, final))
        stage.keys.append(key)
        return key, data

    def _closing(self, number: int) -> CommitRecord:
        return CommitRecord(number, secrets.token_hex(8), closed=True)

    def _renew(self) -> None:
        if self._lease:
            self._lease.renew_when_due()


def _intent(edits: Iterable[ChunkEdit]) -> bytes:
    return json.dumps([[edit.array.path, list(edit.index)] for edit in edits]).encode()


def _committed(array: StoredArray, index: Index) -> tuple[slice, ...] | None:
    """The part of a chunk inside the committed extent, None where there is none."""
    lengths = [
        min(step, extent - place * step)
        for extent, step, place in zip(array.shape, array.chunk_shape, index, strict=True)
    ]
    return tuple(slice(0, length) for length in lengths) if all(length > 0 for length in lengths) else None


def _ancestors(changed: Iterable[str], merged: Catalog) -> set[str]:
    """The changed groups, and every group above something changed."""
    found = {path for path in changed if is_group(merged[path])} | {""}
    for path in changed:
        parts = path.split("/")
        found |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    return {path for path in found if path in merged}
