"""Why a cell cannot be used, in words that say what would do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.schema import DiscreteRange, DType, InfRange, Variable
from zarr_fuse.units import DateTimeUnit, Unit
from zarr_fuse.values.columns import Column

Mask = NDArray[np.bool_]
SHOWN_LABELS = 10
_FAR_TIME = "before 1677-09-22 or after 2262-04-11: plain xarray cannot read it; a range would allow it"
_COUNT = r"^\s*-?[0-9]+\s*$"
_DECIMAL_COMMA = r"^\s*[+-]?[0-9]+,[0-9]+\s*$"


def reasons(kind: str, variable: Variable, cells: Column) -> Iterator[tuple[Mask, str]]:
    """Which of the `cells` of one kind to tell what, shape (cells,) each."""
    message = _sentence(kind, variable)
    hint, concerned = _hint(kind, variable, cells)
    if concerned.any():
        yield concerned, f"{message}; {hint}"
    if not concerned.all():
        yield ~concerned, message


def in_column(variable: Variable, message: str) -> str:
    """The message, with the column of the frame where it has another name than the variable."""
    return message if variable.df_col == variable.name else f"column {variable.df_col!r}: {message}"


def _hint(kind: str, variable: Variable, cells: Column) -> tuple[str, Mask]:
    if kind == "not_convertible":
        return "the decimal mark is a point", _matching(cells, _DECIMAL_COMMA)
    if kind == "out_of_range" and isinstance(variable.source_unit, DateTimeUnit):
        are_counts = isinstance(cells, pl.Series) and cells.dtype.is_numeric()
        concerned = np.full(len(cells), fill_value=True) if are_counts else _matching(cells, _COUNT)
        return f"as a number it counts {variable.source_unit.tick} since 1970, by source_unit", concerned
    return "", np.zeros(len(cells), dtype=bool)


def _matching(cells: Column, pattern: str) -> Mask:
    if isinstance(cells, pl.Series) and cells.dtype == pl.String:
        return cells.str.contains(pattern).fill_null(value=False).to_numpy()
    return np.zeros(len(cells), dtype=bool)


def _sentence(kind: str, variable: Variable) -> str:
    match kind:
        case "not_in_set":
            return _labels(variable)
        case "out_of_range":
            return _outside(variable)
        case "not_convertible":
            return f"not a number, as {variable.type} needs"
        case "not_representable":
            return _holds(variable.type)
    return "not a complete time, or one that the clock skipped"


def _labels(variable: Variable) -> str:
    labels = list(map(str, variable.range.labels)) if isinstance(variable.range, DiscreteRange) else []
    return f"none of {', '.join(labels[:SHOWN_LABELS])}{', …' if len(labels) > SHOWN_LABELS else ''}"


def _outside(variable: Variable) -> str:
    if isinstance(variable.range, InfRange):
        return _FAR_TIME
    outside = f"outside {variable.range}"
    differs = isinstance(variable.source_unit, Unit) and variable.source_unit != variable.unit
    return f"outside {variable.range} when converted from {variable.source_unit}" if differs else outside


def _holds(dtype: DType | None) -> str:
    if dtype is None or dtype.kind not in "iu":
        return f"{dtype} cannot hold it"
    limits = np.iinfo(dtype.dtype)
    return f"{dtype} holds whole numbers from {limits.min} to {limits.max}"
