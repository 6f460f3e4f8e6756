"""Cells: from (positions, values) of many rows to the edited chunks of one array."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.axes import Axis
from zarr_fuse.chunks import Index, StoredArray, same_cells
from zarr_fuse.commit.edits import ChunkEdit
from zarr_fuse.reader import ChunkReader
from zarr_fuse.texts import Values, joined

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """Values that are not NA and where they go: `positions` one array of shape (cells,) for each axis."""

    positions: Sequence[Positions]
    values: Values

    def followed_by(self, later: Cells) -> Cells:
        """These cells, and after them others of the same array."""
        pairs = zip(self.positions, later.positions, strict=True)
        return Cells([np.concatenate(pair) for pair in pairs], joined([self.values, later.values]))


@dataclass(frozen=True)
class Scatter:
    """How cells spread over chunks; the same for all variables with values in the same rows.

    Attributes:
        positions: kept, so that nothing else takes their place in memory.
        rows: the cells that count, in order of chunk and offset; None for all.
        spans: chunk index → first and last of those cells.
        offsets: place inside its chunk of each of those cells.
    """

    positions: Sequence[Positions]
    rows: Positions | None
    spans: dict[Index, tuple[int, int]]
    offsets: Positions

    @staticmethod
    def of(positions: Sequence[Positions], shape: Index, steps: Index) -> Scatter:
        """The spread of cells over an array of this shape in chunks of `steps`."""
        grid = [-(-extent // step) for extent, step in zip(shape, steps, strict=True)]
        size = int(np.prod(steps))
        key = np.zeros(len(positions[0]), dtype=np.int64)
        offset = np.zeros(len(positions[0]), dtype=np.int64)
        for place, length, step in zip(positions, grid, steps, strict=True):
            chunk, inside = np.divmod(place, step)
            key, offset = key * length + chunk, offset * step + inside
        key = key * size + offset
        rows = _last_rows(key)
        key = key if rows is None else key[rows]
        chunk, offset = np.divmod(key, size)
        starts = np.flatnonzero(np.diff(chunk, prepend=-1))
        indices = zip(*(part.tolist() for part in np.unravel_index(chunk[starts], grid)), strict=True)
        ends = zip(starts.tolist(), [*starts[1:].tolist(), len(key)], strict=True)
        return Scatter(positions, rows, dict(zip(indices, ends, strict=True)), offset)

    def split(self, values: Values) -> dict[Index, tuple[Positions, Values]]:
        """Offsets inside the chunk and values, by chunk index."""
        values = values if self.rows is None else values[self.rows]
        return {
            index: (self.offsets[start:stop], values[start:stop])
            for index, (start, stop) in self.spans.items()
        }


@dataclass(frozen=True)
class ArrayChange:
    """One array before and after the transaction.

    Attributes:
        before: the array as stored, None if it is new.
        after: the array with its final extent.
        na: what a new cell without a value reads as.
        known: how cells spread, shared by the arrays of one merge.
    """

    before: StoredArray | None
    after: StoredArray
    axes: Sequence[Axis]
    na: Any
    cells: Cells
    known: dict[Any, Scatter] = field(default_factory=dict)

    def edits(self, reader: ChunkReader) -> Iterator[ChunkEdit]:
        """The chunks that differ from what is stored, in key order of the chunk grid."""
        written = self._written()
        grown = () if self._fills_with_na() else self._grown()
        for index in sorted({*written, *self._moved(), *grown}):
            edit = self._edit(index, written.get(index), reader)
            if edit is not None:
                yield edit

    def contents(
        self, indices: Iterable[Index], reader: ChunkReader
    ) -> Iterator[tuple[Index, NDArray[Any] | None]]:
        """All cells of some chunks after the transaction; None where the array has no such chunk any more."""
        written = self._written()
        for index in indices:
            inside = self.after.committed(index) is not None
            yield index, self._content(index, written.get(index), reader) if inside else None

    def _content(
        self, index: Index, written: tuple[Positions, Values] | None, reader: ChunkReader
    ) -> NDArray[Any]:
        cells = self._base(index, reader)
        if written is not None:
            cells.reshape(-1)[written[0]] = written[1]
        return cells

    def _written(self) -> dict[Index, tuple[Positions, Values]]:
        """Offsets inside the chunk and values, by chunk index; of equal cells the last one wins."""
        steps = self.after.chunk_shape
        if not len(self.cells.values):
            return {}
        if not steps:
            return {(): (np.zeros(1, dtype=np.int64), self.cells.values[-1:])}
        key = (*map(id, self.cells.positions), self.after.shape, steps)
        if key not in self.known:
            self.known[key] = Scatter.of(self.cells.positions, self.after.shape, steps)
        return self.known[key].split(self.cells.values)

    def _moved(self) -> Iterator[Index]:
        """Indices of all chunks in which a committed cell changes its place."""
        if self.before is None:
            return
        grid = [
            range(-(-extent // step))
            for extent, step in zip(self.after.shape, self.after.chunk_shape, strict=True)
        ]
        for place, axis in enumerate(self.axes):
            first = axis.first_move
            if first is not None:
                tail = range(first // self.after.chunk_shape[place], len(grid[place]))
                yield from itertools.product(*grid[:place], tail, *grid[place + 1 :])

    def _grown(self) -> Iterator[Index]:
        """Indices of all chunks with cells of new labels."""
        if self.before is None:
            return
        steps = self.after.chunk_shape
        grid = [range(-(-extent // step)) for extent, step in zip(self.after.shape, steps, strict=True)]
        for place, axis in enumerate(self.axes):
            if axis.added:
                tail = range(axis.stored // steps[place], len(grid[place]))
                yield from itertools.product(*grid[:place], tail, *grid[place + 1 :])

    def _edit(
        self, index: Index, written: tuple[Positions, Values] | None, reader: ChunkReader
    ) -> ChunkEdit | None:
        cells = self._content(index, written, reader)
        bounds = self.before.committed(index) if self.before else None
        if self.before is None or bounds is None:
            return None if self.after.is_fill(cells) else ChunkEdit(self.after, index, cells, in_place=True)
        stored = reader.stored(self.before, index)
        if stored is not None and same_cells(stored, cells):
            return None
        old = self.before.full(self.before.fill) if stored is None else stored
        keeps = same_cells(old[bounds], cells[bounds])
        if keeps and self._nothing_new(cells, bounds):
            return None
        if self.after.is_fill(cells):
            return None if stored is None else ChunkEdit(self.after, index, None, in_place=False)
        return ChunkEdit(self.after, index, cells, in_place=keeps and self._fills_with_na())

    def _base(self, index: Index, reader: ChunkReader) -> NDArray[Any]:
        """The chunk's committed cells at their final places, NA elsewhere."""
        cells = self.after.full(self.na)
        if self.before is None:
            return cells
        if all(axis.first_move is None for axis in self.axes):
            bounds = self.before.committed(index)
            if bounds is not None:
                cells[bounds] = reader.chunk(self.before, index)[bounds]
            return cells
        sources = [
            axis.sources(place * step, min((place + 1) * step, axis.size))
            for axis, place, step in zip(self.axes, index, self.after.chunk_shape, strict=True)
        ]
        kept = [source >= 0 for source in sources]
        if all(mask.any() for mask in kept):
            targets = [np.flatnonzero(mask) for mask in kept]
            wanted = [source[mask] for source, mask in zip(sources, kept, strict=True)]
            cells[np.ix_(*targets)] = self._gather(wanted, reader)
        return cells

    def _gather(self, wanted: Sequence[Positions], reader: ChunkReader) -> NDArray[Any]:
        """Committed cells at the outer product of ascending positions."""
        before = self.before
        if before is None:
            raise ValueError("an array that is not stored has no committed cells")
        steps = before.chunk_shape
        spans = [
            range(place[0] // step, place[-1] // step + 1) for place, step in zip(wanted, steps, strict=True)
        ]
        gathered = before.full(before.fill, tuple(len(place) for place in wanted))
        for index in itertools.product(*spans):
            inside = [
                np.flatnonzero(place // step == one)
                for place, step, one in zip(wanted, steps, index, strict=True)
            ]
            local = [
                place[part] - one * step
                for place, part, one, step in zip(wanted, inside, index, steps, strict=True)
            ]
            gathered[np.ix_(*inside)] = reader.chunk(before, index)[np.ix_(*local)]
        return gathered

    def _nothing_new(self, cells: NDArray[Any], bounds: tuple[slice, ...]) -> bool:
        """Whether all cells outside the committed part are what a reader would see there anyway."""
        outside = np.ones(cells.shape, dtype=bool)
        outside[bounds] = False
        return same_cells(cells[outside], np.asarray(self.after.fill, dtype=cells.dtype))

    def _fills_with_na(self) -> bool:
        return same_cells(
            np.asarray(self.na, dtype=self.after.dtype), np.asarray(self.after.fill, dtype=self.after.dtype)
        )


def last_of_each(keys: Positions, values: Values) -> tuple[Positions, Values]:
    """Ascending distinct keys with the last value of each."""
    rows = _last_rows(keys)
    return (keys, values) if rows is None else (keys[rows], values[rows])


def _last_rows(keys: Positions) -> Positions | None:
    """Rows of ascending distinct keys, the last one of each; None where all rows are that already."""
    if np.all(keys[1:] > keys[:-1]):
        return None
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    rows: Positions = order[np.append(ordered[1:] != ordered[:-1], True)]
    return rows
