"""Writing chunks ahead of the commit.

A chunk goes to its final key at once only if every committed cell in it keeps its value, and only after an
*intent* names it; all others go to the stage. So bytes beyond the committed extent are committed later or
named by an intent.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from zarr_fuse.commit.edits import ChunkEdit, Stage
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.chunks import StoredArray
from zarr_fuse.stored.layout import Layout

BATCH_BYTES = 8 * 2**20  # encoded chunks held in memory before they are written
ENCODERS = 2  # chunks compressed at once: the merge itself keeps a processor busy

Batch = list[tuple[ChunkEdit, bytes | None]]


class Staging:
    """Writes the chunks of the transaction `number`; `renew` is called between batches."""

    def __init__(self, objects: Objects, layout: Layout, number: int, renew: Callable[[], None]) -> None:
        self._objects = objects
        self._layout = layout
        self._number = number
        self._renew = renew

    def write(self, edits: Iterable[ChunkEdit]) -> Stage:
        """Write all chunks and tell where they went."""
        stage = Stage()
        for number, batch in enumerate(batches(edits)):
            self._renew()
            self._write(number, batch, stage)
        return stage

    def _write(self, number: int, batch: Batch, stage: Stage) -> None:
        stage.chunks += len(batch)
        stage.deleted += [
            self._layout.chunk(edit.array.path, edit.index) for edit, data in batch if data is None
        ]
        direct = [edit for edit, data in batch if edit.in_place and data is not None]
        if direct:
            key = self._layout.stage(self._number, f"intent-{number:06d}.json")
            self._objects.put(key, _intent(direct), durable=True)
            stage.keys.append(key)
        written = [self._target(edit, data, stage) for edit, data in batch if data is not None]
        self._objects.put_many(written, durable=True)

    def _target(self, edit: ChunkEdit, data: bytes, stage: Stage) -> tuple[str, bytes]:
        final = self._layout.chunk(edit.array.path, edit.index)
        if edit.in_place:
            return final, data
        key = self._layout.stage(self._number, f"{len(stage.staged):08d}")
        stage.staged.append((key, final))
        stage.keys.append(key)
        return key, data


def batches(edits: Iterable[ChunkEdit]) -> Iterator[Batch]:
    """Edits with their encoded chunks, None for those to be deleted, a bounded number of bytes at a time."""
    batch, size = Batch(), 0
    for edit, data in _encoded(edits):
        batch.append((edit, data))
        size += len(data or b"")
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _encoded(edits: Iterable[ChunkEdit]) -> Iterator[tuple[ChunkEdit, bytes | None]]:
    """Edits, without their cells, and the encoded ones; a few chunks are compressed beside each other."""
    ahead = deque[tuple[ChunkEdit, Future[bytes | None]]]()
    with ThreadPoolExecutor(ENCODERS) as pool:
        for edit in edits:
            bare = replace(edit, cells=None)  # decoded cells would be most of the memory
            ahead.append((bare, pool.submit(_data, edit.array, edit.cells)))
            del edit
            if len(ahead) > ENCODERS:
                yield _finished(ahead)
        while ahead:
            yield _finished(ahead)


def _finished(
    ahead: deque[tuple[ChunkEdit, Future[bytes | None]]],
) -> tuple[ChunkEdit, bytes | None]:
    edit, data = ahead.popleft()
    return edit, data.result()


def _data(array: StoredArray, cells: NDArray[Any] | None) -> bytes | None:
    return None if cells is None else array.encode(cells)


def intended(data: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Array paths and chunk indices that an intent names."""
    for path, index in json.loads(data):
        yield path, tuple(index)


def _intent(edits: Iterable[ChunkEdit]) -> bytes:
    return json.dumps([[edit.array.path, list(edit.index)] for edit in edits]).encode()
