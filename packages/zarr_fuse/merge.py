"""The merge of one node: rows of any number of frames become labels on axes and cells of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zarr_fuse import frame as frames
from zarr_fuse.admission import bridge, closed, gaps_to_fill, spaced
from zarr_fuse.axes import Axis, SortedAxis, UnsortedAxis
from zarr_fuse.cells import ArrayChange, Cells, Scatter
from zarr_fuse.chunks import StoredArray, arrays_of
from zarr_fuse.commit.edits import ChunkEdit
from zarr_fuse.contradictions import contradicted
from zarr_fuse.datasets import arrays_of_dataset, joined_schema, part_of
from zarr_fuse.dense import grid_frame, in_own_units, restored
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.fill import Bridge, bridged
from zarr_fuse.layout import ORDERED, Catalog, Document, children
from zarr_fuse.node_documents import array_for, node_attributes
from zarr_fuse.node_reader import NodeReader
from zarr_fuse.older import declared, fitted
from zarr_fuse.pending import Pending
from zarr_fuse.reader import ChunkReader
from zarr_fuse.report import UpdateReport
from zarr_fuse.rows import Rows, has_value, key_variables
from zarr_fuse.schema import Coord, DatasetSchema, Variable
from zarr_fuse.steps import Gaps


class NodeMerge:
    """What a transaction collects for one node.

    Args:
        path: the node's group path.
        schema: the node's schema in force.
        catalog: committed documents of the store.
    """

    def __init__(self, path: str, schema: DatasetSchema, catalog: Catalog, reader: ChunkReader) -> None:
        self._path = path
        stored = arrays_of(catalog, path)
        self._declared = schema
        self._schema = fitted(schema, stored)
        self._catalog = catalog
        self._reader = NodeReader(reader, stored, self._schema)
        self._stored = self._reader.arrays
        self._is_ordered = bool(catalog[path]["attributes"].get(ORDERED, not stored))
        self._axes: dict[str, Axis] = {}
        self._pending: dict[str, Pending] = {}
        self._finals: dict[tuple[str, int], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._touched = False
        self.rows = 0

    @property
    def schema(self) -> DatasetSchema:
        """The schema in force, open types fixed by the frames so far."""
        return self._schema

    def add(self, frame: object, on_bad_rows: str, *, strict: bool = False) -> UpdateReport:
        """Convert a frame and collect its rows; a refused frame leaves nothing behind.

        Raises:
            UpdateRefusedError: with every cause; also for any finding under `on_bad_rows="fail"`.
        """
        return self._add(frames.convert(frame, self._schema), on_bad_rows, strict=strict)

    def add_dense(
        self,
        arrays: Mapping[str, NDArray[Any]],
        on_bad_rows: str,
        *,
        strict: bool = False,
        part: DatasetSchema | None = None,
    ) -> UpdateReport:
        """Collect complete arrays whose values are in the units of the schema, as `add` does.

        Args:
            part: what of the node the arrays may be, by default all of it.
        """
        asked = part or self._schema
        own = in_own_units(asked)
        converted = frames.convert(grid_frame(arrays, own), own)
        converted = replace(converted, schema=restored(converted.schema, asked))
        return self._add(converted, on_bad_rows, strict=strict)

    def add_dataset(
        self, dataset: xr.Dataset, on_bad_rows: str, *, strict: bool = False, partial: bool = False
    ) -> UpdateReport:
        """Collect a dataset in the units of the schema; its further variables may join the schema.

        Args:
            partial: variables of the schema, and coordinates that the others do not need, may be missing.
        """
        nodes = set(children(self._catalog, self._path, groups=True))
        schema = joined_schema(dataset, self._schema, nodes)
        part = part_of(dataset, schema) if partial else schema
        return self.add_dense(arrays_of_dataset(dataset, part), on_bad_rows, strict=strict, part=part)

    def _add(self, converted: frames.Converted, on_bad_rows: str, *, strict: bool) -> UpdateReport:
        self._put_in_order()
        rows = Rows.of(converted)
        axes = {name: self._axis(name) for name in rows.schema.COORDS if self._has_labels(name)}
        rows = spaced(rows.without(contradicted(rows) | closed(rows, axes)), axes)
        self._refuse(converted, on_bad_rows, strict=strict)
        if not len(rows):
            return converted.findings.report(converted.rows_in)
        added = self._collect(rows, gaps_to_fill(rows, axes))
        return converted.findings.report(converted.rows_in, len(rows)).completed(new_labels=added)

    def touch(self) -> None:
        """Write this node's documents even without rows: the schema has grown."""
        self._touched = True

    def edits(self) -> Iterator[ChunkEdit]:
        """The chunks to store."""
        self._finals.clear()
        known: dict[Any, Scatter] = {}
        for variable, coords in self._targets():
            axes = [self._axis(name) for name in coords]
            stored = self._stored.get(variable.name)
            cells = self._cells(variable)
            after = self._after(variable, coords)
            change = ArrayChange(stored, after, axes, variable.storage_na, cells, known)
            yield from self._reader.change(variable.name, change)

    def documents(self) -> dict[str, Document]:
        """The metadata documents that differ from the committed ones, by path."""
        if not self._touched:
            return {}
        arrays = [self._to_store(*target) for target in self._targets()]
        found = {array.path: array.document for array in arrays}
        group = self._catalog[self._path]
        kept = {**group["attributes"], **({ORDERED: True} if self.rows else {})}
        schema = declared(self._schema, self._declared, self._stored)
        attributes = node_attributes(schema, kept, empty=self._is_empty)
        found[self._path] = {**group, "attributes": attributes}
        return {path: document for path, document in found.items() if self._catalog.get(path) != document}

    def _put_in_order(self) -> None:
        """Make sure, once for each node, that its arrays can be extended and sorted axes are in order."""
        if not self._is_ordered:
            self._reader.require_known_types()
            self._is_ordered = True
            if self._reader.put_in_order(self._schema.COORDS.values()):
                self._stored = self._reader.arrays
                self._axes.clear()

    def _axis(self, name: str) -> Axis:
        if name not in self._axes:
            self._axes[name] = self._new_axis(self._schema.COORDS[name])
        return self._axes[name]

    def _new_axis(self, coord: Coord) -> Axis:
        array = self._stored.get(coord.name)
        if coord.sorted and not coord.is_composed:
            return SortedAxis(array, self._reader, coord.storage_dtype)
        keys = key_variables(coord, self._schema)
        return UnsortedAxis(
            array,
            self._reader,
            [self._stored.get(key.name) for key in keys],
            [key.storage_dtype for key in keys],
            composed=coord.is_composed,
        )

    def _refuse(self, converted: frames.Converted, on_bad_rows: str, *, strict: bool) -> None:
        harmless = () if strict else ("column_missing",)
        problems = converted.findings.problems(harmless=harmless) if strict or on_bad_rows == "fail" else []
        if problems:
            raise UpdateRefusedError(problems, converted.findings.report(converted.rows_in))

    def _collect(self, rows: Rows, gaps: Mapping[str, Gaps]) -> dict[str, int]:
        """Take rows into axes and cells; how many labels each axis has gained."""
        self._schema = rows.schema.laid_over(self._schema)
        coords = rows.schema.COORDS
        before = {name: self._axis(name).added for name in coords}
        ids = {name: self._axis(name).resolve(rows.keys(coord)) for name, coord in coords.items()}
        bridges = {name: bridge(self._axis(name), coords[name], gap) for name, gap in gaps.items()}
        for name, variable in rows.schema.VARS.items():
            if name in rows.columns:
                value, column = has_value(variable, rows.columns[name]), rows.columns[name]
                places = [ids[coord] for coord in variable.coords]
                if not value.all():
                    places, column = [place[value] for place in places], column[value]
                self._take(variable, Cells(places, column), bridges)
        self.rows += len(rows)
        self._touched = True
        return {name: self._axis(name).added - before[name] for name in before}

    def _take(self, variable: Variable, cells: Cells, bridges: Mapping[str, Bridge]) -> None:
        """Keep the cells of a variable, and those they let interpolate along each axis in turn."""
        name = variable.name
        held = self._pending.setdefault(name, Pending(self._stored.get(name), self._reader))
        held.add(cells)
        sizes = [self._axis(coord).size for coord in variable.coords]
        for place, coord in enumerate(variable.coords):
            if coord in bridges and len(cells.values):
                between = bridged(cells, place, bridges[coord], sizes, partial(held.find, variable, sizes))
                held.add(between)
                cells = cells.followed_by(between)

    def _has_labels(self, name: str) -> bool:
        return (name in self._stored or name in self._axes) and self._axis(name).size > 0

    @property
    def _is_empty(self) -> bool:
        """Whether the node has never been written, or holds no variables."""
        marked = bool(self._catalog[self._path]["attributes"].get("__empty__", False))
        never = marked and not (self.rows or self._stored)
        return never or not (self._schema.VARS or self._schema.COORDS)

    def _targets(self) -> Iterator[tuple[Variable, tuple[str, ...]]]:
        """What has an array after the transaction, with its coordinates; an open type has none yet."""
        if not self._touched or self._is_empty:
            return
        everything = (*self._schema.COORDS.values(), *self._schema.VARS.values())
        for variable in everything:
            is_typed = variable.type is not None or variable.name in self._stored
            if is_typed and all(map(self._has_type, variable.coords)):
                yield variable, tuple(variable.coords)

    def _has_type(self, name: str) -> bool:
        """Whether the axis of a coordinate can be made."""
        return all(key.type is not None for key in key_variables(self._schema.COORDS[name], self._schema))

    def _after(self, variable: Variable, coords: tuple[str, ...]) -> StoredArray:
        shape = tuple(self._axis(name).size for name in coords)
        return array_for(self._path, variable, coords, self._schema, shape, self._stored.get(variable.name))

    def _to_store(self, variable: Variable, coords: tuple[str, ...]) -> StoredArray:
        after = self._after(variable, coords)
        return self._reader.stored_form(variable.name, after, lambda: self._cells(variable).values)

    def _cells(self, variable: Variable) -> Cells:
        if isinstance(variable, Coord):
            positions, labels = self._axis(variable.name).inserted()
            return Cells((positions,), labels)
        held = self._pending.get(variable.name)
        cells = held.all() if held else None
        if cells is None:
            empty = np.empty(0, dtype=np.int64)
            return Cells([empty] * len(variable.coords), np.empty(0, dtype=variable.storage_dtype))
        ids = zip(variable.coords, cells.positions, strict=True)
        return Cells([self._final(name, positions) for name, positions in ids], cells.values)

    def _final(self, name: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Final positions of ids; worked out once for variables with values in the same rows."""
        key = (name, id(ids))
        if key not in self._finals:
            self._finals[key] = (ids, self._axis(name).final(ids))
        return self._finals[key][1]
