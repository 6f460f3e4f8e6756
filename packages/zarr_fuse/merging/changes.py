"""What a transaction changes in one array, as edited chunks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.commit.edits import ChunkEdit
from zarr_fuse.merging.axes import Axis
from zarr_fuse.merging.cells import Cells, Positions, Scatter
from zarr_fuse.stored.chunks import Index, StoredArray, same_cells
from zarr_fuse.stored.reader import ChunkReader
from zarr_fuse.values.texts import Values


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
        if written is not None and self._stays and self._fills_with_na():
            return self._overwritten(index, written, reader)
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

    def _overwritten(
        self, index: Index, written: tuple[Positions, Values], reader: ChunkReader
    ) -> ChunkEdit | None:
        """The edit of a chunk whose cells stay where they are: only those written can differ."""
        cells = self._base(index, reader)
        flat, values = cells.reshape(-1), np.asarray(written[1]).astype(cells.dtype, copy=False)
        changed = written[0][flat[written[0]] != values]
        if not len(changed):
            return None
        bounds = self.before.committed(index) if self.before else None
        keeps = bounds is None or not _inside(changed, bounds, self.after.chunk_shape).any()
        flat[written[0]] = values
        return ChunkEdit(self.after, index, cells, in_place=keeps)

    @property
    def _stays(self) -> bool:
        """Whether every committed cell keeps its place."""
        return all(axis.first_move is None for axis in self.axes)

    def _base(self, index: Index, reader: ChunkReader) -> NDArray[Any]:
        """The chunk's committed cells at their final places, NA elsewhere."""
        cells = self.after.full(self.na)
        if self.before is None:
            return cells
        if self._stays:
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


def _inside(offsets: Positions, bounds: Sequence[slice], steps: Index) -> NDArray[np.bool_]:
    """Which offsets inside a chunk of shape `steps` lie in the part within `bounds`."""
    found = np.ones(len(offsets), dtype=bool)
    for bound, step in zip(reversed(bounds), reversed(steps), strict=True):
        offsets, place = np.divmod(offsets, step)
        found &= place < bound.stop
    return found
