"""The good rows of one frame on their way into a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.incoming.frame import Converted
from zarr_fuse.report import Findings
from zarr_fuse.schema import Coord, DatasetSchema, Variable
from zarr_fuse.units import DateTimeUnit
from zarr_fuse.values.texts import Texts, Values

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Rows whose coordinates are all good.

    Attributes:
        schema: of the frame, with the types it fixed.
        columns: name → column in storage type, shape (rows,).
        numbers: the rows' numbers in the frame as passed, shape (rows,).
        findings: of the frame; `reject` adds to them.
        frames: which of several joined frames each row comes from, shape (rows,); None for a single one.
    """

    schema: DatasetSchema
    columns: Mapping[str, Values]
    numbers: NDArray[np.int64]
    findings: Findings
    frames: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, converted: Converted, starts: NDArray[np.int64] | None = None) -> Rows:
        """The rows that the conversion keeps; `starts` are the first rows of frames that were joined."""
        numbers = np.flatnonzero(converted.keep)
        columns: Mapping[str, Values] = converted.columns
        if len(numbers) < converted.rows_in:
            columns = {name: column[numbers] for name, column in columns.items()}
        frames = None if starts is None else np.searchsorted(starts, numbers, side="right") - 1
        return cls(converted.schema, columns, numbers, converted.findings, frames)

    def __len__(self) -> int:
        return len(self.numbers)

    def keys(self, coord: Coord) -> list[Values]:
        """The columns that identify a row's label: of the coordinate, or of its components."""
        return [self.columns[variable.name] for variable in key_variables(coord, self.schema)]

    def without(self, dropped: Mask) -> Rows:
        """The rows that are not dropped."""
        if not dropped.any():
            return self
        columns = {name: column[~dropped] for name, column in self.columns.items()}
        frames = None if self.frames is None else self.frames[~dropped]
        return replace(self, columns=columns, numbers=self.numbers[~dropped], frames=frames)

    def reject(self, kind: str, variable: Variable, dropped: Mask, column: Values, message: str) -> None:
        """Find fault with some rows for what stands in a column of theirs."""
        values: Any = column[dropped]
        if variable.is_coded:
            values = variable.range.decode(values)
        elif isinstance(variable.unit, DateTimeUnit):
            values = np.asarray(values).view(variable.unit.default_dtype())
        self.findings.add(kind, variable.name, self.numbers[dropped], values, message)


def key_variables(coord: Coord, schema: DatasetSchema) -> list[Variable]:
    """What identifies a position: the coordinate itself, or the components of a composed one."""
    return [schema.VARS[name] for name in coord.composed] if coord.is_composed else [coord]


def has_value(variable: Variable, column: Values) -> Mask:
    """Which cells of a column in storage type are not NA."""
    if isinstance(column, Texts):
        return column.of_words(column.words != variable.storage_na)
    if column.dtype.kind in "fc" and np.isnan(variable.storage_na):
        return ~np.isnan(column)
    return np.asarray(column != variable.storage_na)
