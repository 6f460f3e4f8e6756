"""Columns → real numbers: floats in any unit, integers exact to the last unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.values.numeric_text import NumberTexts, read_floats, read_integers
from zarr_fuse.values.pint_units import Unit, convert, measures_truth

Mask = NDArray[np.bool_]
Verdicts = tuple[NDArray[Any], Mask, dict[str, Mask]]
_POLARS = {
    "int8": pl.Int8,
    "int32": pl.Int32,
    "int64": pl.Int64,
    "uint8": pl.UInt8,
    "uint32": pl.UInt32,
    "uint64": pl.UInt64,
}


def numbers(
    column: pl.Series | NDArray[Any], dtype: np.dtype[Any], source: Unit, target: Unit, na: np.generic | None
) -> Verdicts:
    """Floats in `target`, missing cells, and rejected ones by kind."""
    values, missing, faults = _floats(column, truth=measures_truth(target))
    values, missing = _converted(values, missing, source, target, na)
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype, copy=False)
    if dtype != values.dtype:
        _note(faults, "not_representable", np.isinf(narrow) & np.isfinite(values))
    return narrow, missing, faults


def whole_numbers(
    column: pl.Series | NDArray[Any], dtype: np.dtype[Any], source: Unit, target: Unit, na: np.generic | None
) -> Verdicts:
    """Integers in `target`, missing cells, and rejected ones by kind."""
    truth = dtype == np.int8 or measures_truth(target)
    if source == target:
        return _exact(column, dtype, truth=truth)
    exact, known = _multiplied(column, dtype, _whole_factor(source, target), na, truth=truth)
    values, missing, faults = _floats(column, truth=truth)
    values, missing = _converted(values, missing, source, target, na)
    whole, missing, faults = _from_floats(np.rint(values), missing, faults, dtype)
    faults = {kind: mask & ~known for kind, mask in faults.items() if (mask & ~known).any()}
    return np.where(known, exact, whole), missing & ~known, faults


def _multiplied(
    column: pl.Series | NDArray[Any], dtype: np.dtype[Any], factor: int, na: np.generic | None, *, truth: bool
) -> tuple[NDArray[Any], Mask]:
    """Whole numbers times a whole factor, and which cells hold one whose product fits."""
    if not factor:
        return np.zeros(len(column), dtype), np.zeros(len(column), dtype=bool)
    wide, missing, faults = _exact(column, np.dtype("int64"), truth=truth)
    limits, largest = np.iinfo(dtype), np.iinfo(np.int64).max
    lowest, highest = -(-int(limits.min) // factor), min(int(limits.max), largest) // factor
    known = ~(missing | _any(faults, missing)) & (wide >= lowest) & (wide <= highest)
    if na is not None:
        known &= wide != na
    return (np.where(known, wide, 0) * factor).astype(dtype), known


def _whole_factor(source: Unit, target: Unit) -> int:
    """By what a number is multiplied on its way, if that is an integer; else 0."""
    zero, one = (float(convert(value, source, target)) for value in (0.0, 1.0))
    return int(one) if zero == 0 and one >= 1 and one == int(one) and one < 2**53 else 0


def _converted(
    values: NDArray[np.float64], missing: Mask, source: Unit, target: Unit, na: np.generic | None
) -> tuple[NDArray[np.float64], Mask]:
    if source == target:
        return values, missing
    if na is not None:
        missing = missing | (values == float(na))
    return np.asarray(convert(values, source, target), dtype=np.float64), missing


def _floats(
    column: pl.Series | NDArray[Any], *, truth: bool
) -> tuple[NDArray[np.float64], Mask, dict[str, Mask]]:
    if not isinstance(column, pl.Series):
        raise TypeError(f"a column of type {column.dtype} holds no real numbers")
    if column.dtype == pl.String:
        read = read_floats(column, truth=truth)
        return read.values, read.missing, read.faults
    _refuse_times(column)
    values = column.cast(pl.Float64).to_numpy()
    missing = np.isnan(values)
    return values, missing, {}


def _exact(column: pl.Series | NDArray[Any], dtype: np.dtype[Any], *, truth: bool) -> Verdicts:
    if not isinstance(column, pl.Series):
        raise TypeError(f"a column of type {column.dtype} holds no whole numbers")
    if column.dtype.is_decimal():
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        read: NumberTexts = read_integers(column, _POLARS[dtype.name], truth=truth)
        return read.values, read.missing, read.faults
    _refuse_times(column)
    missing = column.is_null().to_numpy()
    if column.dtype.is_float():
        floats = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return _from_floats(floats, np.isnan(floats), {}, dtype)
    narrow = column.cast(_POLARS[dtype.name], strict=False)
    faults: dict[str, Mask] = {}
    _note(faults, "not_representable", narrow.is_null().to_numpy() & ~missing)
    return narrow.fill_null(0).to_numpy().astype(dtype, copy=False), missing, faults


def _from_floats(
    values: NDArray[np.float64], missing: Mask, faults: dict[str, Mask], dtype: np.dtype[Any]
) -> Verdicts:
    limits = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        fits = (values == np.floor(values)) & (values >= float(limits.min)) & (values < float(limits.max) + 1)
    if dtype.itemsize < 8:
        fits &= values <= limits.max
    _note(faults, "not_representable", ~fits & ~missing & ~_any(faults, missing))
    return np.where(fits, values, 0).astype(dtype), missing, faults


def _refuse_times(column: pl.Series) -> None:
    if column.dtype.is_temporal():
        raise TypeError(f"a column of type {column.dtype} holds no numbers")


def _any(faults: dict[str, Mask], like: Mask) -> Mask:
    return np.asarray(np.logical_or.reduce([*faults.values(), np.zeros_like(like)]))


def _note(faults: dict[str, Mask], kind: str, mask: Mask) -> None:
    if mask.any():
        faults[kind] = faults[kind] | mask if kind in faults else mask
