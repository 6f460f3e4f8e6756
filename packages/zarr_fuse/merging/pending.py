"""Cells that a running transaction has collected for one variable, and those already stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.incoming.rows import has_value
from zarr_fuse.merging.cells import Cells, last_of_each
from zarr_fuse.schema import Variable
from zarr_fuse.stored.chunks import StoredArray
from zarr_fuse.stored.reader import ChunkReader
from zarr_fuse.values.texts import Values, joined

Ids = NDArray[np.int64]
Found = tuple[Ids, Values]  # which of the wanted cells hold a value, and the values


class Pending:
    """Cells by the ids of their labels, in order of arrival; of equal cells the last one counts.

    Args:
        array: the stored array of the variable, if it has one.
    """

    def __init__(self, array: StoredArray | None, reader: ChunkReader) -> None:
        self._array = array
        self._reader = reader
        self._parts: list[Cells] = []

    def add(self, cells: Cells) -> None:
        """Take the cells of another frame, or of labels it fills in."""
        if len(cells.values):
            self._parts.append(cells)

    def all(self) -> Cells | None:
        """All cells in order of arrival; None without any."""
        if len(self._parts) > 1:
            ids = zip(*(part.positions for part in self._parts), strict=True)
            values = joined([part.values for part in self._parts])
            self._parts = [Cells([np.concatenate(axis) for axis in ids], values)]
        return self._parts[0] if self._parts else None

    def find(self, variable: Variable, sizes: Sequence[int], wanted: Sequence[Ids]) -> Found:
        """The values of distinct cells, collected or stored, as far as there are any.

        Args:
            sizes: bounds of the ids on each axis of the variable.
            wanted: ids for each axis, shape (cells,).
        """
        self._compact()
        left = np.arange(len(wanted[0]))
        found: list[Found] = [(left[:0], np.empty(0, dtype=variable.storage_dtype))]
        for part in reversed(self._parts):
            if not len(left):
                break
            places, values = matching(part, [ids[left] for ids in wanted], sizes)
            found.append((left[places], values))
            left = np.delete(left, places)
        if self._array is not None and len(left):
            places, values = stored_values(self._array, self._reader, [ids[left] for ids in wanted])
            values = np.asarray(values).astype(variable.storage_dtype, copy=False)
            held = has_value(variable, values)
            found.append((left[places[held]], values[held]))
        return np.concatenate([places for places, _ in found]), joined([values for _, values in found])

    def _compact(self) -> None:
        """Join parts of similar length, so that few are searched however many frames came."""
        parts, self._parts = self._parts, []
        for part in parts:
            joint = part
            while self._parts and len(self._parts[-1].values) <= 2 * len(joint.values):
                joint = self._parts.pop().followed_by(joint)
            self._parts.append(joint)


def matching(cells: Cells, wanted: Sequence[Ids], sizes: Sequence[int]) -> Found:
    """The last value of each wanted cell among `cells`."""
    chosen = np.flatnonzero(np.isin(cells.positions[0], wanted[0]))
    keys = np.ravel_multi_index([ids[chosen] for ids in cells.positions], sizes)
    keys, values = last_of_each(keys, cells.values[chosen])
    order = np.ravel_multi_index(list(wanted), sizes)
    place = np.searchsorted(keys, order)
    known = np.flatnonzero(keys[np.minimum(place, len(keys) - 1)] == order) if len(keys) else place[:0]
    return known, values[place[known]]


def stored_values(array: StoredArray, reader: ChunkReader, wanted: Sequence[Ids]) -> Found:
    """The stored cells at wanted positions that lie within the committed extent."""
    inside = np.logical_and.reduce([ids < extent for ids, extent in zip(wanted, array.shape, strict=True)])
    chosen = np.flatnonzero(inside)
    values = array.full(array.fill, (len(chosen),))
    places = [ids[chosen] for ids in wanted]
    chunks = np.stack([ids // step for ids, step in zip(places, array.chunk_shape, strict=True)], axis=1)
    indices, number = np.unique(chunks, axis=0, return_inverse=True)
    number = number.reshape(-1)
    keys = [tuple(index) for index in indices.tolist()]
    reader.prefetch(array, keys)
    for place, index in enumerate(keys):
        rows = np.flatnonzero(number == place)
        local = tuple(ids[rows] % step for ids, step in zip(places, array.chunk_shape, strict=True))
        values[rows] = reader.chunk(array, index)[local]
    return chosen, values
