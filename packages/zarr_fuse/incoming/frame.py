"""Frames → typed arrays and a verdict on every cell; needs a schema, but no store."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.errors import OptionError, SchemaWarning, UpdateRefusedError
from zarr_fuse.incoming.intake import Intake
from zarr_fuse.incoming.reasons import in_column, reasons
from zarr_fuse.report import Findings
from zarr_fuse.schema import DatasetSchema, DiscreteRange, DType, InfRange, IntervalRange, Variable
from zarr_fuse.schema.types import dtype_of_column
from zarr_fuse.units import DateTimeUnit
from zarr_fuse.values.columns import Column, TypedColumn, convert_column, fixes_kind
from zarr_fuse.values.texts import Texts, Values, filled

Mask = NDArray[np.bool_]
OnBadRows = Literal["report", "fail"]
_OF_COORDINATES = {
    "not_convertible": "coordinate_unreadable",
    "not_representable": "coordinate_unreadable",
    "time_unreadable": "coordinate_unreadable",
    "out_of_range": "coordinate_out_of_range",
    "not_in_set": "coordinate_out_of_range",
}


@dataclass(frozen=True)
class Converted:
    """A frame in the types and units of its schema.

    Attributes:
        rows_in: rows of the frame as passed.
        schema: the schema with the types that this frame fixed.
        columns: name → column of shape (rows_in,) in storage type, for every simple coordinate, component and
            variable whose column is there; NA in missing and rejected cells. A variable without type whose
            column holds nothing but nulls is left out.
        keep: rows whose coordinates and components are all good.
        findings: everything found, one entry a cell.
        missing: variables without a column.
    """

    rows_in: int
    schema: DatasetSchema
    columns: dict[str, Values]
    keep: Mask
    findings: Findings
    missing: tuple[str, ...]


def convert(
    frame: object, schema: DatasetSchema, *, on_bad_rows: str = "report", findings: Findings | None = None
) -> Converted:
    """Convert a polars or pandas DataFrame by the `df_col`, `source_unit`, type and range of each variable.

    Null, NaN, NaT, the missing value itself and, in columns of numbers and times, the texts `NaT`, `nan` and
    the empty one are missing cells without a finding. An empty text is a value of a text variable, but no
    label of a text coordinate. Blanks around numbers and times do not matter; −0.0 in a coordinate is 0.0.

    Args:
        frame: columns are taken by name; other columns, their order and a pandas index play no part.
        schema: of the node.
        on_bad_rows: `report`, or `fail` to refuse the frame for any finding but `column_missing`.
        findings: where to put them, by default somewhere new.

    Raises:
        UpdateRefusedError: with all problems.
        TypeError: the frame is no DataFrame.
    """
    if on_bad_rows not in {"report", "fail"}:
        raise OptionError(f"on_bad_rows is 'report' or 'fail', not {on_bad_rows!r}")
    work = _Conversion(Intake(frame), schema, Findings() if findings is None else findings)
    for variable in schema.incoming:
        work.take(variable)
    problems = work.problems + (work.findings.problems() if on_bad_rows == "fail" else [])
    if problems:
        raise UpdateRefusedError(problems, work.findings.report(work.intake.rows))
    return work.result()


@dataclass
class _Conversion:
    intake: Intake
    schema: DatasetSchema
    findings: Findings
    problems: list[str] = field(default_factory=list)
    columns: dict[str, Values] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    types: dict[str, DType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keep: Mask = np.ones(self.intake.rows, dtype=bool)
        self.keys = self.schema.components | self.schema.COORDS.keys()

    def result(self) -> Converted:
        schema = self.schema.resolved(self.types)
        return Converted(
            self.intake.rows, schema, self.columns, self.keep, self.findings, tuple(self.missing)
        )

    def take(self, variable: Variable) -> None:
        if variable.df_col not in self.intake:
            self._absent(variable)
            return
        try:
            self._convert(variable, self.intake.column(variable.df_col))
        except (TypeError, ValueError) as error:
            self.problems.append(f"{variable.name}: column {variable.df_col!r}: {error}")

    def _absent(self, variable: Variable) -> None:
        if variable.name in self.keys:
            self.problems.append(f"{variable.name}: {self.intake.lacks(variable.df_col)}")
            return
        self.missing.append(variable.name)
        self.findings.add("column_missing", variable.name, message=self.intake.lacks(variable.df_col))

    def _convert(self, variable: Variable, column: Column) -> None:
        variable = self._with_type(variable, column)
        is_key = variable.name in self.keys
        if variable.type is None:
            if is_key:
                self._all_missing(variable)
            return
        typed = convert_column(column, variable.type, variable.source_unit, variable.unit, variable.na_value)
        if is_key and typed.empty is not None:
            typed.missing |= typed.empty
        stored = _in_range(variable, typed)
        good = typed.good
        if is_key and not isinstance(stored, Texts) and stored.dtype.kind in "fc":
            stored = stored + stored.dtype.type(0)
        if not good.all():
            stored = filled(stored, good, variable.storage_na)
        self.columns[variable.name] = stored
        if is_key:
            self.keep &= good
        self._find(variable, column, typed, is_key=is_key)

    def _with_type(self, variable: Variable, column: Column) -> Variable:
        if variable.type is not None:
            return variable
        dtype = dtype_of_column(fixes_kind(column))
        if dtype is None:
            if isinstance(column, pl.Series) and column.dtype == pl.Null:
                return variable
            raise TypeError("give this variable a type, or a unit of time, to hold such values")
        warnings.warn(
            f"{variable.name}: the first frame fixes its type as {dtype}", SchemaWarning, stacklevel=2
        )
        self.types[variable.name] = dtype
        return variable.resolved(dtype)

    def _all_missing(self, variable: Variable) -> None:
        self.keep[:] = False
        self.columns[variable.name] = np.full(self.intake.rows, np.nan)
        rows = np.arange(self.intake.rows)
        message = in_column(variable, "no value")
        self.findings.add("coordinate_missing", variable.name, rows, None, message)

    def _find(self, variable: Variable, column: Column, typed: TypedColumn, *, is_key: bool) -> None:
        for kind, rows, message in _verdicts(variable, column, typed, is_key=is_key):
            if len(rows):
                self.findings.add(kind, variable.name, rows, column[rows], in_column(variable, message))
        for doubt in typed.doubts:
            rows, frames = np.flatnonzero(doubt.either & typed.good), self.findings.frames_of
            witnesses = frames(np.flatnonzero(doubt.against & typed.good))
            rows = rows[np.isin(frames(rows), witnesses)]
            message = in_column(variable, doubt.message)
            self.findings.add("time_ambiguous", variable.name, rows, column[rows], message)


def _in_range(variable: Variable, typed: TypedColumn) -> Values:
    """The values as stored; cells outside the range are marked in `typed`."""
    limits, values = variable.range, typed.values
    if isinstance(limits, InfRange) and isinstance(variable.unit, DateTimeUnit):
        first, last = variable.unit.plain_counts
        counts = np.asarray(values)
        _mark(typed, "out_of_range", (counts < first) | (counts > last))
    if isinstance(limits, IntervalRange):
        if isinstance(values, Texts) or values.dtype.kind == "c":
            raise TypeError(f"an interval cannot limit values of type {variable.type}")
        _mark(typed, "out_of_range", ~limits.inside(values))
    if not isinstance(limits, DiscreteRange):
        return values
    codes = _codes(limits, values)
    _mark(typed, "not_in_set", codes == 0)
    return codes if variable.is_coded else values


def _codes(limits: DiscreteRange, values: Values) -> NDArray[np.int64]:
    if isinstance(values, Texts):
        return values.of_words(limits.encode(values.words))
    dtype = limits.codes_to_labels.dtype
    return limits.encode(values.view(dtype) if dtype.kind == "M" else values)


def _mark(typed: TypedColumn, kind: str, mask: Mask) -> None:
    bad = mask & typed.good
    if bad.any():
        typed.faults[kind] = bad


def _verdicts(
    variable: Variable, column: Column, typed: TypedColumn, *, is_key: bool
) -> Iterator[tuple[str, NDArray[np.int64], str]]:
    if is_key:
        yield "coordinate_missing", np.flatnonzero(typed.missing), "no value"
    for kind, mask in typed.faults.items():
        rows = np.flatnonzero(mask)
        for concerned, reason in reasons(kind, variable, column[rows]):
            yield (_OF_COORDINATES[kind] if is_key else kind), rows[concerned], reason
    if typed.cut is not None and variable.type is not None:
        message = f"longer than {variable.type.text_length} characters"
        yield "text_cut", np.flatnonzero(typed.cut & typed.good), message
