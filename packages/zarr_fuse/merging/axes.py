"""Axes: from the labels of incoming rows to positions, and where new labels go.

While a transaction collects rows, a label is known by its *id*: the committed position of a stored label, or
the number of stored labels plus the order of appearance of a new one. Ids never change; final positions are
known at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.merging.places import codes_of, place_labels
from zarr_fuse.stored.chunks import StoredArray
from zarr_fuse.stored.reader import ChunkReader
from zarr_fuse.values.texts import Values, distinct, joined

Ids = NDArray[np.int64]
Labels = NDArray[Any]


class Axis(ABC):
    """One axis of a node: `stored` committed labels, and the new ones of the running transaction.

    Args:
        array: the stored label array; None while the axis has never been written.
    """

    def __init__(self, array: StoredArray | None, reader: ChunkReader) -> None:
        self._array = array
        self._reader = reader
        self.stored = array.shape[0] if array else 0
        self.added = 0

    @property
    def size(self) -> int:
        """Extent after the transaction."""
        return self.stored + self.added

    @abstractmethod
    def known(self, columns: Sequence[Values]) -> NDArray[np.bool_]:
        """Which rows carry a label that is stored or already added, shape (rows,)."""

    @abstractmethod
    def resolve(self, columns: Sequence[Values]) -> Ids:
        """Ids of the rows' labels, shape (rows,); unknown labels are added."""

    @abstractmethod
    def inserted(self) -> tuple[Ids, Labels]:
        """Final positions of the new labels, ascending, and the labels there."""

    def final(self, ids: Ids) -> Ids:
        """Final positions of ids."""
        return ids

    def sources(self, start: int, stop: int) -> Ids:
        """Committed positions of what ends up at the final positions `[start, stop)`; −1 for new labels."""
        positions = np.arange(start, stop)
        return np.where(positions < self.stored, positions, -1)

    @property
    def first_move(self) -> int | None:
        """Lowest committed position whose label moves, None when new labels only follow the stored ones."""
        return None


class SortedAxis(Axis):
    """Ascending labels: found by bisection over chunks, so that no cost follows the length of the axis."""

    def __init__(self, array: StoredArray | None, reader: ChunkReader, dtype: np.dtype[Any]) -> None:
        super().__init__(array, reader)
        self._labels: Labels = np.empty(0, dtype=dtype)  # the new labels, ascending
        self._ids: Ids = np.empty(0, dtype=np.int64)  # their ids
        self._before: Ids = np.empty(0, dtype=np.int64)  # how many stored labels precede each

    def known(self, columns: Sequence[Values]) -> NDArray[np.bool_]:
        """Which rows carry a known label."""
        labels, inverse = distinct(columns[0])
        _, stored = self._locate(labels)
        return (stored | self._pending(labels)[1])[inverse]

    def resolve(self, columns: Sequence[Values]) -> Ids:
        """Ids of the rows' labels; unknown ones are added."""
        labels, inverse = distinct(columns[0])
        ids, stored = self._locate(labels)
        place, pending = self._pending(labels)
        ids[pending] = self._ids[place[pending]]
        fresh = ~(stored | pending)
        if fresh.any():
            self._insert(labels[fresh], before=ids[fresh])
            place, _ = self._pending(labels)
            ids[fresh] = self._ids[place[fresh]]
        return ids[inverse]

    def inserted(self) -> tuple[Ids, Labels]:
        """Final positions and labels of the new ones."""
        return self._before + np.arange(self.added), self._labels

    def final(self, ids: Ids) -> Ids:
        """Final positions of ids."""
        if not self.added:
            return ids
        new = np.empty(self.added, dtype=np.int64)
        new[self._ids - self.stored] = self._before + np.arange(self.added)
        moved = ids + np.searchsorted(self._before, ids, side="right")
        return np.where(ids < self.stored, moved, new[np.maximum(ids - self.stored, 0)])

    def sources(self, start: int, stop: int) -> Ids:
        """Committed positions of final ones, −1 for new labels."""
        positions = np.arange(start, stop)
        places, _ = self.inserted()
        below = np.searchsorted(places, positions, side="left")
        is_new = np.isin(positions, places[below.min(initial=0) : below.max(initial=0) + 1])
        return np.where(is_new, -1, positions - below)

    @property
    def first_move(self) -> int | None:
        """Lowest committed position that moves."""
        first = int(self._before[0]) if self.added else self.stored
        return first if first < self.stored else None

    @property
    def last(self) -> Labels | None:
        """The highest label, stored or added, shape (1,)."""
        ends = [] if not self.added else [self._labels[-1:]]
        if self._array is not None and self.stored:
            stored = self._chunk(self._array, (self.stored - 1) // self._array.chunk_shape[0])
            ends.append(stored[-1:].astype(self._labels.dtype))
        return max(ends) if ends else None

    def _pending(self, labels: Labels) -> tuple[Ids, NDArray[np.bool_]]:
        place = np.searchsorted(self._labels, labels)
        if not self.added:
            return place, np.zeros(len(labels), dtype=bool)
        return place, self._labels[np.minimum(place, self.added - 1)] == labels

    def _insert(self, labels: Labels, before: Ids) -> None:
        place = np.searchsorted(self._labels, labels)
        ids = self.size + np.arange(len(labels))
        self._labels = np.insert(self._labels, place, labels)
        self._ids = np.insert(self._ids, place, ids)
        self._before = np.insert(self._before, place, before)
        self.added += len(labels)

    def _locate(self, labels: Labels) -> tuple[Ids, NDArray[np.bool_]]:
        """Number of stored labels below each ascending label, and whether the label itself is stored."""
        below = np.full(len(labels), self.stored, dtype=np.int64)
        found = np.zeros(len(labels), dtype=bool)
        array = self._array
        if array is None or not self.stored or not len(labels):
            return below, found
        step = array.chunk_shape[0]
        last = (self.stored - 1) // step
        tail = self._chunk(array, last)
        inside = int(np.searchsorted(labels, tail[-1], side="right"))
        spans = [(0, inside, 0, last)] if inside else []
        while spans:
            start, stop, low, high = spans.pop()
            if low == high:
                chunk = self._chunk(array, low)
                place = np.searchsorted(chunk, labels[start:stop])
                below[start:stop] = place + low * step
                found[start:stop] = chunk[np.minimum(place, len(chunk) - 1)] == labels[start:stop]
                continue
            middle = (low + high + 1) // 2
            cut = start + int(np.searchsorted(labels[start:stop], self._chunk(array, middle)[0]))
            spans += [
                span
                for span in ((start, cut, low, middle - 1), (cut, stop, middle, high))
                if span[0] < span[1]
            ]
        return below, found

    def _chunk(self, array: StoredArray, place: int) -> Labels:
        return self._reader.chunk(array, (place,))[: self.stored - place * array.chunk_shape[0]]


class UnsortedAxis(Axis):
    """Labels in order of first appearance; a position is known by the values of its key columns.

    Args:
        keys: the stored arrays that identify a position: the labels, or the components of a composed axis.
        composed: labels are hashes of the key columns.
    """

    def __init__(
        self,
        array: StoredArray | None,
        reader: ChunkReader,
        keys: Sequence[StoredArray | None],
        dtypes: Sequence[np.dtype[Any]],
        *,
        composed: bool,
    ) -> None:
        super().__init__(array, reader)
        self._keys = [
            np.empty(0, dtype=dtype) if key is None else reader.vector(key)
            for key, dtype in zip(keys, dtypes, strict=True)
        ]
        self._composed = composed

    def known(self, columns: Sequence[Values]) -> NDArray[np.bool_]:
        """Which rows carry a known label."""
        ids, _ = self._match(columns)
        return ids < self.size

    def resolve(self, columns: Sequence[Values]) -> Ids:
        """Ids of the rows' labels; unknown ones are added."""
        ids, fresh = self._match(columns)
        self._keys = [
            np.concatenate([key, np.asarray(column[fresh])])
            for key, column in zip(self._keys, columns, strict=True)
        ]
        self.added += len(fresh)
        return ids

    def inserted(self) -> tuple[Ids, Labels]:
        """Final positions and labels of the new ones."""
        positions = np.arange(self.stored, self.size)
        if not self.added and self._array:
            return positions, self._array.full(self._array.fill, (0,))
        new = [key[self.stored :] for key in self._keys]
        if not self._composed:
            return positions, new[0]
        taken = np.empty(0, dtype=np.int64) if self._array is None else self._reader.vector(self._array)
        return positions, place_labels(new, taken)

    def _match(self, columns: Sequence[Values]) -> tuple[Ids, Ids]:
        """Ids of the rows, and the rows in which a new label appears first."""
        held = self.size
        codes, first = codes_of([joined(pair) for pair in zip(self._keys, columns, strict=True)])
        new = first >= held
        ids = np.where(new, held + np.cumsum(new) - 1, first)
        return ids[codes[held:]], first[new] - held
