"""Cells: values of many rows, and how they spread over the chunks of an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.stored.chunks import Index
from zarr_fuse.values.texts import Values, joined

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
