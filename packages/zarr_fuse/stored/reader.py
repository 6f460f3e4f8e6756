"""Decoded chunks of the committed state, read once and kept while they are of use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.commit.protocol import ChunkObjects
from zarr_fuse.errors import CorruptStoreError
from zarr_fuse.stored.chunks import Index, StoredArray
from zarr_fuse.stored.layout import Layout

CACHE_BYTES = 32 * 2**20  # more than a handle keeps of its last transaction


class ChunkReader:
    """Chunks by array path and index, the most recently used ones kept up to `cache_bytes`."""

    def __init__(self, objects: ChunkObjects, layout: Layout, cache_bytes: int = CACHE_BYTES) -> None:
        self._objects = objects
        self._layout = layout
        self._cache: OrderedDict[tuple[str, Index], NDArray[Any] | None] = OrderedDict()
        self._limit = cache_bytes
        self._held = 0

    def chunk(self, array: StoredArray, index: Index) -> NDArray[Any]:
        """The cells of a chunk, shape `array.chunk_shape`; fill values where no chunk is stored."""
        cells = self.stored(array, index)
        return array.full(array.fill) if cells is None else cells

    def stored(self, array: StoredArray, index: Index) -> NDArray[Any] | None:
        """The cells of a chunk, or None where no object is stored."""
        key = (array.path, index)
        if key not in self._cache:
            data = self._objects.get(self._layout.chunk(array.path, index))
            self.keep(array, index, self._decoded(array, index, data))
        self._cache.move_to_end(key)
        return self._cache[key]

    def prefetch(self, array: StoredArray, indices: Iterable[Index]) -> None:
        """Read several chunks at once, those that fit the cache."""
        room = max(1, self._limit // max(1, 2 * array.full(array.fill).nbytes))
        wanted = [index for index in indices if (array.path, index) not in self._cache][:room]
        found = self._objects.get_many([self._layout.chunk(array.path, index) for index in wanted])
        for index, data in zip(wanted, found, strict=True):
            self.keep(array, index, self._decoded(array, index, data))

    def keep(self, array: StoredArray, index: Index, cells: NDArray[Any] | None) -> None:
        """Remember a chunk as stored."""
        key = (array.path, index)
        self._forget(key)
        self._cache[key] = cells
        self._held += _size(cells)
        while self._held > self._limit and len(self._cache) > 1:
            self._forget(next(iter(self._cache)))

    def clear(self) -> None:
        """Forget everything: another writer may have committed."""
        self._cache.clear()
        self._held = 0

    def vector(self, array: StoredArray) -> NDArray[Any]:
        """A whole one-dimensional array, shape `array.shape`."""
        length, step = array.shape[0], array.chunk_shape[0]
        indices = [(place,) for place in range(-(-length // step))]
        self.prefetch(array, indices)
        parts = [self.chunk(array, index) for index in indices]
        return np.concatenate(parts)[:length] if parts else array.full(array.fill, (0,))

    def _decoded(self, array: StoredArray, index: Index, data: bytes | None) -> NDArray[Any] | None:
        if data is None:
            return None
        reason = "it is empty"
        try:
            if data:
                return array.decode(data)
        except (RuntimeError, ValueError) as error:
            reason = str(error)
        key = self._layout.chunk(array.path, index)
        raise CorruptStoreError(f"the chunk {key} cannot be decoded: {reason}")

    def _forget(self, key: tuple[str, Index]) -> None:
        if key in self._cache:
            self._held -= _size(self._cache.pop(key))


def _size(cells: NDArray[Any] | None) -> int:
    return 64 if cells is None else cells.nbytes
