"""`range` of a document → the range of a variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.document import RangeDocument, TimeUnitDocument, read_document
from zarr_fuse.schema.ranges import AnyRange, DiscreteRange, InfRange, IntervalRange, plain
from zarr_fuse.schema.types import DType
from zarr_fuse.schema.unit_forms import parse_unit
from zarr_fuse.units import AnyUnit, DateTimeUnit, NoneUnit, Unit, convert
from zarr_fuse.values.columns import check_units, convert_column
from zarr_fuse.values.times import read_times

_ROUNDING_ULPS = 4
"""How far a converted bound is moved outwards, so that rounding does not cut the border off."""
_AFFINE_MAGNITUDE = 512.0
"""Temperatures are converted by way of kelvin, with the rounding of numbers of that size."""


@dataclass(frozen=True)
class RangeOwner:
    """What a range needs to know of its variable."""

    dtype: DType | None
    na_value: Any
    unit: AnyUnit
    source_unit: AnyUnit
    df_col: str


def parse_range(given: RangeDocument | None, owner: RangeOwner, ctx: SchemaCtx) -> AnyRange:
    """The range that a document gives to a variable."""
    if given is None or not given.model_fields_set:
        return InfRange()
    if len(given.model_fields_set) > 1:
        raise ctx.error("give either interval or discrete, not both")
    if "interval" in given.model_fields_set:
        return _interval(given.interval, owner, ctx.dive("interval"))
    return _discrete(given.discrete, owner, ctx.dive("discrete"))


def label_type(given: object) -> DType | None:
    """The type of a discrete list, for a variable that names none."""
    labels = given if isinstance(given, list) else []
    if labels and all(isinstance(label, str) for label in labels):
        return DType(f"str[{max(1, *map(len, labels))}]")
    if not labels or any(isinstance(label, bool) or not isinstance(label, (int, float)) for label in labels):
        return None
    return DType("int64" if all(isinstance(label, int) for label in labels) else "float64")


def _interval(given: object, owner: RangeOwner, ctx: SchemaCtx) -> IntervalRange:
    bounds = [plain(bound) for bound in (given if isinstance(given, list) else [given])]
    if len(bounds) > 3:
        raise ctx.error(f"expected [min, max] or [min, max, unit], not {given!r}")
    if owner.dtype is not None and owner.dtype.kind in "Uc":
        raise ctx.error(f"an interval needs ordered values, not {owner.dtype}")
    unit = _interval_unit(bounds[2] if len(bounds) == 3 else None, owner.unit, ctx)
    start, end = (bounds * 2)[:2] if bounds else (None, None)
    low, high = _bound(start, -math.inf, owner, unit, ctx), _bound(end, math.inf, owner, unit, ctx)
    if low > high:
        raise ctx.error(f"the lower bound {start} is above the upper one {end}")
    start, end = (-math.inf if start is None else start), (math.inf if end is None else end)
    return IntervalRange(
        start, end, unit, _comparable(low, owner, math.ceil), _comparable(high, owner, math.floor)
    )


def _interval_unit(given: object, unit: AnyUnit, ctx: SchemaCtx) -> AnyUnit:
    if given is None:
        return unit
    if isinstance(given, dict):
        given = read_document(TimeUnitDocument, given, ctx.dive(2))
    if not isinstance(given, str | TimeUnitDocument):
        raise ctx.error(f"{given!r} is no unit")
    own = parse_unit(given, ctx.dive(2))
    if isinstance(unit, NoneUnit) and own == Unit(""):
        return unit
    try:
        check_units(own, unit)
    except ValueError as error:
        raise ctx.error(str(error)) from None
    return own


def _bound(given: object, empty: float, owner: RangeOwner, unit: AnyUnit, ctx: SchemaCtx) -> Any:  # noqa: ANN401
    """A bound as stored values compare: a count of ticks, or a number in the variable's unit."""
    if given is None:
        return empty
    if isinstance(unit, DateTimeUnit) and isinstance(owner.unit, DateTimeUnit):
        try:
            return int(read_times(np.array([given], dtype=object), unit, owner.unit).view(np.int64)[0])
        except ValueError:
            raise ctx.error(f"{given!r} is not a time") from None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or math.isnan(given):
        raise ctx.error(f"{given!r} is not a number")
    if unit == owner.unit or isinstance(unit, DateTimeUnit) or isinstance(owner.unit, DateTimeUnit):
        return given
    bound = float(convert(np.array([given], dtype=np.float64), unit, owner.unit)[0])
    affine = float(convert(0.0, unit, owner.unit)) != 0
    noise = _ROUNDING_ULPS * math.ulp(max(abs(bound), _AFFINE_MAGNITUDE) if affine else bound)
    return bound + math.copysign(noise, empty) if bound and math.isfinite(bound) else bound


def _comparable(bound: float, owner: RangeOwner, rounded: Any) -> Any:  # noqa: ANN401
    """Integers compare exactly only with integers, narrow floats only with equally narrow ones."""
    if math.isinf(bound) or owner.dtype is None or owner.dtype.kind not in "iuf":
        return bound
    return owner.dtype.dtype.type(bound) if owner.dtype.kind == "f" else rounded(bound)


def _discrete(given: object, owner: RangeOwner, ctx: SchemaCtx) -> DiscreteRange:
    if owner.dtype is None:
        raise ctx.error("a discrete variable needs a type or a unit")
    labels = _from_csv(given, owner, ctx) if isinstance(given, str) else _from_list(given, owner, ctx)
    if not len(labels):
        raise ctx.error("the list is empty")
    if len(np.unique(labels)) != len(labels):
        raise ctx.error("a label stands in the list twice")
    if (labels == owner.na_value).any():
        raise ctx.error(f"the missing value {owner.na_value!r} cannot be a label")
    na = np.array([owner.na_value], dtype=labels.dtype)
    return DiscreteRange(np.concatenate([na, labels]))


def _from_list(given: object, owner: RangeOwner, ctx: SchemaCtx) -> NDArray[Any]:
    if not isinstance(given, list):
        raise ctx.error(f"expected a list or the name of a CSV file, not {given!r}")
    labels = [plain(label) for label in given]
    wanted = str if owner.dtype is not None and owner.dtype.kind in "UM" else int | float
    wrong = [label for label in labels if not isinstance(label, wanted)]
    if wrong:
        raise ctx.error(f"the label {wrong[0]!r} is not of type {owner.dtype}")
    column = pl.Series("", labels, strict=False) if labels else pl.Series("", [], dtype=pl.Null)
    return _typed(column, owner, owner.unit, ctx)


def _from_csv(name: str, owner: RangeOwner, ctx: SchemaCtx) -> NDArray[Any]:
    path = ctx.folder / name
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ctx.error(f"cannot read {path}: {error}") from error
    if owner.df_col not in table.columns:
        raise ctx.error(f"{path} has no column {owner.df_col!r}, only {', '.join(table.columns)}")
    return _typed(table[owner.df_col].drop_nulls(), owner, owner.source_unit, ctx)


def _typed(column: pl.Series, owner: RangeOwner, source: AnyUnit, ctx: SchemaCtx) -> NDArray[Any]:
    if owner.dtype is None:
        raise ctx.error("a discrete variable needs a type or a unit")
    try:
        typed = convert_column(column, owner.dtype, source, owner.unit)
    except (TypeError, ValueError) as error:
        raise ctx.error(str(error)) from None
    bad = ~typed.good if typed.cut is None else ~typed.good | typed.cut
    if bad.any():
        raise ctx.error(f"the label {column.filter(pl.Series(bad))[0]!r} does not fit type {owner.dtype}")
    values = np.asarray(typed.values)
    return values.view(owner.dtype.dtype) if owner.dtype.kind == "M" else values
