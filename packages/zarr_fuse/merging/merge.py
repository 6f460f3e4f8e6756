"""The merge of one node: rows of any number of frames become labels on axes and cells of arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl
import xarray as xr
from numpy.typing import NDArray

from zarr_fuse.commit.edits import ChunkEdit
from zarr_fuse.errors import TransactionError, UpdateRefusedError
from zarr_fuse.incoming import frame as frames
from zarr_fuse.incoming.backlog import Backlog, Waiting
from zarr_fuse.incoming.datasets import joined_schema
from zarr_fuse.incoming.grids import convert_dataset, convert_grid
from zarr_fuse.incoming.intake import small_in_polars
from zarr_fuse.incoming.rows import Rows, key_variables
from zarr_fuse.merging.cells import Scatter
from zarr_fuse.merging.changes import ArrayChange
from zarr_fuse.merging.collected import Collected
from zarr_fuse.report import DeferredReport, UpdateReport
from zarr_fuse.schema import DatasetSchema, Variable
from zarr_fuse.stored.chunks import StoredArray, arrays_of
from zarr_fuse.stored.layout import ORDERED, Catalog, Document, children
from zarr_fuse.stored.node_documents import array_for, node_attributes
from zarr_fuse.stored.node_reader import NodeReader
from zarr_fuse.stored.older import declared, fitted
from zarr_fuse.stored.reader import ChunkReader


class NodeMerge:
    """What a transaction collects for one node.

    Args:
        path: the node's group path.
        schema: the node's schema in force.
        catalog: committed documents of the store.
    """

    def __init__(self, path: str, schema: DatasetSchema, catalog: Catalog, reader: ChunkReader) -> None:
        stored = arrays_of(catalog, path)
        fitting = fitted(schema, stored)
        self._path = path
        self._declared = schema
        self._catalog = catalog
        self._reader = NodeReader(reader, stored, fitting)
        self._stored = self._reader.arrays
        self._is_ordered = bool(catalog[path]["attributes"].get(ORDERED, not stored))
        self._collected = Collected(self._reader, fitting)
        self._backlog = Backlog()
        self._failure: Exception | None = None
        self._touched = False

    @property
    def schema(self) -> DatasetSchema:
        """The schema in force, open types fixed by the frames so far."""
        return self._collected.schema

    @property
    def rows(self) -> int:
        """Rows merged so far."""
        return self._collected.rows

    def add(self, frame: object, on_bad_rows: str, *, strict: bool = False) -> UpdateReport:
        """Convert a frame and collect its rows; a small one may wait to be joined with others like it.

        Raises:
            UpdateRefusedError: with every cause; also for any finding under `on_bad_rows="fail"`. The frame
                leaves nothing behind.
        """
        taken = small_in_polars(frame, self.schema)
        if isinstance(taken, pl.DataFrame) and on_bad_rows == "report" and not strict:
            kind = self._kind(taken)
            if kind is not None:
                return DeferredReport(partial(self._report_of, self._backlog.put(taken, kind)))
        report = self._add(frames.convert(taken, self.schema), on_bad_rows, strict=strict)
        self._backlog.learn(taken, self.schema)
        return report

    def add_dense(
        self,
        arrays: Mapping[str, NDArray[Any]],
        on_bad_rows: str,
        *,
        strict: bool = False,
    ) -> UpdateReport:
        """Collect complete arrays whose values are in the units of the schema, as `add` does."""
        return self._add(convert_grid(arrays, self.schema), on_bad_rows, strict=strict)

    def add_dataset(
        self, dataset: xr.Dataset, on_bad_rows: str, *, strict: bool = False, partial: bool = False
    ) -> UpdateReport:
        """Collect a dataset in the units of the schema; its further variables may join the schema.

        Args:
            partial: variables of the schema, and coordinates that the others do not need, may be missing.
        """
        nodes = set(children(self._catalog, self._path, groups=True))
        schema = joined_schema(dataset, self.schema, nodes)
        return self._add(convert_dataset(dataset, schema, partial=partial), on_bad_rows, strict=strict)

    def settle(self) -> None:
        """Convert and collect the frames that wait."""
        if self._failure is not None:
            raise self._failure
        for batch in self._backlog.batches():
            converted = frames.convert(batch.joined(), self.schema, findings=batch.findings())
            rows = self._collected.admitted(Rows.of(converted, batch.starts))
            self._touched |= len(rows) > 0
            batch.complete(rows, self._collected.take(rows, len(batch.frames)))

    def touch(self) -> None:
        """Write this node's documents even without rows: the schema has grown."""
        self._touched = True

    def close(self) -> None:
        """Collect nothing any more: the transaction has ended without commit."""
        self._failure = TransactionError("the transaction was given up before this frame was merged")

    def edits(self) -> Iterator[ChunkEdit]:
        """The chunks to store; the cells of an array are let go once it is through."""
        known: dict[Any, Scatter] = {}
        for variable, coords in self._targets():
            axes = [self._collected.axis(name) for name in coords]
            stored = self._stored.get(variable.name)
            cells = self._collected.cells(variable)
            after = self._after(variable, coords)
            change = ArrayChange(stored, after, axes, variable.storage_na, cells, known)
            yield from self._reader.change(variable.name, change)
            self._collected.let_go(variable)
            del cells, change

    def documents(self) -> dict[str, Document]:
        """The metadata documents that differ from the committed ones, by path."""
        if not self._touched:
            return {}
        arrays = [self._to_store(*target) for target in self._targets()]
        found = {array.path: array.document for array in arrays}
        group = self._catalog[self._path]
        kept = {**group["attributes"], **({ORDERED: True} if self.rows else {})}
        schema = declared(self.schema, self._declared, self._stored)
        attributes = node_attributes(schema, kept, empty=self._is_empty)
        found[self._path] = {**group, "attributes": attributes}
        return {path: document for path, document in found.items() if self._catalog.get(path) != document}

    def _kind(self, frame: pl.DataFrame) -> int | None:
        """What kind of frame this is, None where it cannot wait: its rows could refuse it, or matter alone.

        Behind others that wait a new kind of frame is tried without its rows; the first one is not, since it
        may stay alone.
        """
        kind = self._backlog.kind(frame)
        if kind is None and self._backlog:
            with contextlib.suppress(UpdateRefusedError):
                frames.convert(frame.clear(), self.schema)
                self._backlog.learn(frame, self.schema)
            kind = self._backlog.kind(frame)
        return kind

    def _report_of(self, waiting: Waiting) -> UpdateReport:
        if waiting.report is None:
            self.settle()
        if waiting.report is None:
            raise TransactionError("the frame has not been merged")
        return waiting.report

    def _add(self, converted: frames.Converted, on_bad_rows: str, *, strict: bool) -> UpdateReport:
        self._settle_others()
        self._put_in_order()
        rows = self._collected.admitted(Rows.of(converted))
        self._refuse(converted, on_bad_rows, strict=strict)
        if not len(rows):
            return converted.findings.report(converted.rows_in)
        gained = {name: int(count[0]) for name, count in self._collected.take(rows).items()}
        self._touched = True
        return converted.findings.report(converted.rows_in, len(rows), gained)

    def _settle_others(self) -> None:
        """Collect the frames before this one; if that fails, it is not this one's fault but the commit's."""
        if self._backlog:
            try:
                self.settle()
            except Exception as error:  # noqa: BLE001 - raised by the commit
                self._failure = error

    def _put_in_order(self) -> None:
        """Make sure, once for each node, that its arrays can be extended and sorted axes are in order."""
        if not self._is_ordered:
            self._reader.require_known_types()
            self._is_ordered = True
            if self._reader.put_in_order(self.schema.COORDS.values()):
                self._stored = self._reader.arrays
                self._collected.look_again()

    def _refuse(self, converted: frames.Converted, on_bad_rows: str, *, strict: bool) -> None:
        harmless = () if strict else ("column_missing",)
        problems = converted.findings.problems(harmless=harmless) if strict or on_bad_rows == "fail" else []
        if problems:
            raise UpdateRefusedError(problems, converted.findings.report(converted.rows_in))

    @property
    def _is_empty(self) -> bool:
        """Whether the node has never been written, or holds no variables."""
        marked = bool(self._catalog[self._path]["attributes"].get("__empty__", False))
        never = marked and not (self.rows or self._stored)
        return never or not (self.schema.VARS or self.schema.COORDS)

    def _targets(self) -> Iterator[tuple[Variable, tuple[str, ...]]]:
        """What has an array after the transaction, with its coordinates; an open type has none yet."""
        if not self._touched or self._is_empty:
            return
        everything = (*self.schema.COORDS.values(), *self.schema.VARS.values())
        for variable in everything:
            is_typed = variable.type is not None or variable.name in self._stored
            if is_typed and all(map(self._has_type, variable.coords)):
                yield variable, tuple(variable.coords)

    def _has_type(self, name: str) -> bool:
        """Whether the axis of a coordinate can be made."""
        return all(key.type is not None for key in key_variables(self.schema.COORDS[name], self.schema))

    def _after(self, variable: Variable, coords: tuple[str, ...]) -> StoredArray:
        shape = tuple(self._collected.axis(name).size for name in coords)
        return array_for(self._path, variable, coords, self.schema, shape, self._stored.get(variable.name))

    def _to_store(self, variable: Variable, coords: tuple[str, ...]) -> StoredArray:
        after = self._after(variable, coords)
        return self._reader.stored_form(variable.name, after, lambda: self._collected.cells(variable).values)
