"""One column of a frame → one array in the type and unit of its variable, with a verdict on every cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.units import AnyUnit, DateTimeUnit, NoneUnit, Unit
from zarr_fuse.values.date_doubts import Doubt
from zarr_fuse.values.numeric import numbers, whole_numbers
from zarr_fuse.values.numeric_text import complex_numbers
from zarr_fuse.values.texts import Values, fixed_texts
from zarr_fuse.values.times import convert_times

if TYPE_CHECKING:
    from zarr_fuse.schema.types import DType

Column = pl.Series | NDArray[Any]
Mask = NDArray[np.bool_]
_NO_VALUES = (pl.Binary, pl.Object, pl.Duration, pl.Time)


@dataclass
class TypedColumn:
    """Shape (rows,): `values` in storage type, `missing` cells, and cells that `faults` reject, by kind.

    What stands in missing and rejected cells means nothing. `cut` marks texts that lost their end,
    `empty` those without any character, `doubts` those of times that may be meant otherwise.
    """

    values: Values
    missing: Mask
    faults: dict[str, Mask] = field(default_factory=dict)
    cut: Mask | None = None
    empty: Mask | None = None
    doubts: tuple[Doubt, ...] = ()

    @property
    def good(self) -> Mask:
        """Cells that hold a value."""
        bad = self.missing.copy()
        for mask in self.faults.values():
            bad |= mask
        return ~bad


def check_units(source: AnyUnit, target: AnyUnit) -> None:
    """ValueError if a column in `source` cannot be turned into `target`."""
    if isinstance(source, DateTimeUnit) != isinstance(target, DateTimeUnit):
        raise ValueError(f"the source unit {_shown(source)} does not fit the unit {_shown(target)}")
    if (
        isinstance(source, Unit)
        and isinstance(target, Unit)
        and source.dimensionality != target.dimensionality
    ):
        raise ValueError(f"the source unit {source} measures something else than the unit {target}")


def convert_column(
    column: Column, dtype: DType, source: AnyUnit, target: AnyUnit, na: np.generic | None = None
) -> TypedColumn:
    """The cells of a column; `na` is the value that counts as missing besides null and NaN.

    Raises:
        TypeError: this type of column cannot be converted.
        ValueError: the units measure different things.
    """
    check_units(source, target)
    if isinstance(column, pl.Series):
        column = _plain_series(column)
    if isinstance(source, DateTimeUnit) and isinstance(target, DateTimeUnit):
        return _times(column, source, target)
    if isinstance(source, DateTimeUnit) or isinstance(target, DateTimeUnit):
        raise TypeError("only a time can be converted into a time")
    if dtype.kind == "U":
        return _texts(column, dtype, na)
    if dtype.kind == "c":
        typed = TypedColumn(*complex_numbers(column, dtype.dtype, source, target))
    elif dtype.kind == "f":
        typed = TypedColumn(*numbers(column, dtype.dtype, source, target, na))
    else:
        typed = TypedColumn(*whole_numbers(column, dtype.dtype, source, target, na))
    if na is not None and na == na:
        typed.missing |= np.asarray(typed.values == na) & typed.good
    return typed


def fixes_kind(column: Column) -> str:
    """The numpy kind that a column would give to a variable without type; empty where it gives none."""
    if not isinstance(column, pl.Series):
        return column.dtype.kind
    dtype = _plain_series(column).dtype
    if dtype == pl.String:
        return "U"
    if dtype == pl.Boolean:
        return "b"
    if dtype.is_integer():
        return "i"
    return "f" if dtype.is_float() or dtype.is_decimal() else ""


def _texts(column: Column, dtype: DType, na: np.generic | None) -> TypedColumn:
    texts = fixed_texts(column, dtype.text_length, None if na is None else str(na))
    faults = {"not_representable": texts.ends_in_nul} if texts.ends_in_nul.any() else {}
    return TypedColumn(texts.values, texts.missing, faults, texts.too_long, texts.empty)


def _times(column: Column, source: DateTimeUnit, target: DateTimeUnit) -> TypedColumn:
    if not isinstance(column, pl.Series):
        raise TypeError(f"a column of type {column.dtype} holds no times")
    times = convert_times(column, source, target)
    faults = {"time_unreadable": times.unreadable} if times.unreadable.any() else {}
    return TypedColumn(times.counts, times.missing, faults, doubts=times.doubts)


def _plain_series(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return column.cast(pl.String)
    if dtype.is_nested() or isinstance(dtype, _NO_VALUES):
        raise TypeError(f"a column of type {dtype} cannot be converted")
    return column


def _shown(unit: AnyUnit) -> str:
    if isinstance(unit, DateTimeUnit):
        return f"time in {unit.tick}"
    return "null" if isinstance(unit, NoneUnit) else repr(str(unit))
