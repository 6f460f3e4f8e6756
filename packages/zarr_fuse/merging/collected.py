"""What the frames of a transaction bring to one node: labels on its axes and cells of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.incoming.rows import Rows, has_value, key_variables
from zarr_fuse.merging.admission import bridge, closed, gaps_to_fill, spaced
from zarr_fuse.merging.axes import Axis, SortedAxis, UnsortedAxis
from zarr_fuse.merging.cells import Cells
from zarr_fuse.merging.contradictions import contradicted
from zarr_fuse.merging.fill import Bridge, bridged
from zarr_fuse.merging.pending import Pending
from zarr_fuse.merging.places import first_rows
from zarr_fuse.schema import Coord, DatasetSchema, Variable
from zarr_fuse.stored.node_reader import NodeReader

Ids = NDArray[np.int64]


class Collected:
    """Axes and cells by id; `rows` counts the rows that were merged.

    Args:
        reader: of the node's stored arrays.
        schema: the node's schema in force, to be kept up to date.
    """

    def __init__(self, reader: NodeReader, schema: DatasetSchema) -> None:
        self.schema = schema
        self.rows = 0
        self._reader = reader
        self._stored = reader.arrays
        self._axes: dict[str, Axis] = {}
        self._pending: dict[str, Pending] = {}
        self._finals: dict[tuple[str, int], tuple[Ids, Ids]] = {}

    def admitted(self, rows: Rows) -> Rows:
        """The rows that agree with each other and that the axes take; the others are told so."""
        axes = self._limiting(rows)
        return spaced(rows.without(contradicted(rows) | closed(rows, axes)), axes)

    def take(self, rows: Rows, frames: int = 1) -> dict[str, Ids]:
        """Take rows of so many frames into axes and cells.

        Returns:
            by coordinate how many labels each frame was the first to bring, shape (frames,).

        Raises:
            UpdateRefusedError: too many labels would have to be filled in; nothing is taken.
        """
        gaps = gaps_to_fill(rows, self._limiting(rows))
        self._finals.clear()
        self.schema = rows.schema.laid_over(self.schema)
        coords = rows.schema.COORDS
        before = {name: self.axis(name).size for name in coords}
        ids = {name: self.axis(name).resolve(rows.keys(coord)) for name, coord in coords.items()}
        bridges = {name: bridge(self.axis(name), coords[name], gap) for name, gap in gaps.items()}
        self._take_cells(rows, ids, bridges)
        self.rows += len(rows)
        if rows.frames is None:
            return {name: np.array([self.axis(name).size - size]) for name, size in before.items()}
        return {name: _gained(ids[name], size, rows.frames, frames) for name, size in before.items()}

    def look_again(self) -> None:
        """Take notice that the stored arrays are seen in another order now."""
        self._stored = self._reader.arrays
        self._axes.clear()

    def axis(self, name: str) -> Axis:
        """The axis of a coordinate."""
        if name not in self._axes:
            self._axes[name] = self._new_axis(self.schema.COORDS[name])
        return self._axes[name]

    def cells(self, variable: Variable) -> Cells:
        """What is new of a variable or a coordinate, at final positions."""
        if isinstance(variable, Coord):
            positions, labels = self.axis(variable.name).inserted()
            return Cells((positions,), labels)
        held = self._pending.get(variable.name)
        cells = held.all() if held else None
        if cells is None:
            empty = np.empty(0, dtype=np.int64)
            return Cells([empty] * len(variable.coords), np.empty(0, dtype=variable.storage_dtype))
        ids = zip(variable.coords, cells.positions, strict=True)
        return Cells([self._final(name, positions) for name, positions in ids], cells.values)

    def let_go(self, variable: Variable) -> None:
        """Free the cells of a variable that has been written."""
        self._pending.pop(variable.name, None)

    def _limiting(self, rows: Rows) -> dict[str, Axis]:
        """The axes that hold labels already."""
        return {name: self.axis(name) for name in rows.schema.COORDS if self._has_labels(name)}

    def _has_labels(self, name: str) -> bool:
        return (name in self._stored or name in self._axes) and self.axis(name).size > 0

    def _new_axis(self, coord: Coord) -> Axis:
        array = self._stored.get(coord.name)
        if coord.sorted and not coord.is_composed:
            return SortedAxis(array, self._reader, coord.storage_dtype)
        keys = key_variables(coord, self.schema)
        return UnsortedAxis(
            array,
            self._reader,
            [self._stored.get(key.name) for key in keys],
            [key.storage_dtype for key in keys],
            composed=coord.is_composed,
        )

    def _take_cells(self, rows: Rows, ids: Mapping[str, Ids], bridges: Mapping[str, Bridge]) -> None:
        for name, variable in rows.schema.VARS.items():
            if name in rows.columns:
                value, column = has_value(variable, rows.columns[name]), rows.columns[name]
                places = [ids[coord] for coord in variable.coords]
                if not value.all():
                    places, column = [place[value] for place in places], column[value]
                self._take(variable, Cells(places, column), bridges)

    def _take(self, variable: Variable, cells: Cells, bridges: Mapping[str, Bridge]) -> None:
        """Keep the cells of a variable, and those they let interpolate along each axis in turn."""
        name = variable.name
        held = self._pending.setdefault(name, Pending(self._stored.get(name), self._reader))
        held.add(cells)
        sizes = [self.axis(coord).size for coord in variable.coords]
        for place, coord in enumerate(variable.coords):
            if coord in bridges and len(cells.values):
                between = bridged(cells, place, bridges[coord], sizes, partial(held.find, variable, sizes))
                held.add(between)
                cells = cells.followed_by(between)

    def _final(self, name: str, ids: Ids) -> Ids:
        """Final positions of ids; worked out once for variables with values in the same rows."""
        key = (name, id(ids))
        if key not in self._finals:
            self._finals[key] = (ids, self.axis(name).final(ids))
        return self._finals[key][1]


def _gained(ids: Ids, before: int, frames_of_rows: Ids, frames: int) -> Ids:
    """How many ids from `before` on appear first in each frame, shape (frames,)."""
    new = np.flatnonzero(ids >= before)
    first = first_rows(ids[new] - before, int(ids[new].max(initial=before - 1)) + 1 - before)
    return np.bincount(frames_of_rows[new][first], minlength=frames)
