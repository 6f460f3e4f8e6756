"""Units of measurement (pint) and of time, and quantities in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pint
from numpy.typing import ArrayLike, NDArray

from zarr_fuse.errors import UndefinedUnitError
from zarr_fuse.values.pint_units import NoneUnit, Quantity, Unit, convert, ureg
from zarr_fuse.values.time_units import TICKS, DateTimeUnit
from zarr_fuse.values.times import between_units, read_times
from zarr_fuse.values.zones import TZINFOS, build_tzinfos

__all__ = [
    "TICKS",
    "TZINFOS",
    "AnyUnit",
    "DateTimeQuantity",
    "DateTimeUnit",
    "NoneUnit",
    "Quantity",
    "UndefinedUnitError",
    "Unit",
    "build_tzinfos",
    "convert",
    "create_quantity",
    "ureg",
]

AnyUnit = Unit | NoneUnit | DateTimeUnit


@dataclass(frozen=True, eq=False)
class DateTimeQuantity:
    """An array of `datetime64`: wall-clock times in the zone of `unit`, in its tick."""

    values: NDArray[np.datetime64]
    unit: DateTimeUnit

    def __post_init__(self) -> None:
        array = np.asarray(self.values)
        if array.dtype.kind != "M":
            raise TypeError(f"expected datetime64 values, got {array.dtype}")
        object.__setattr__(self, "values", array.astype(self.unit.default_dtype()))

    @property
    def magnitude(self) -> NDArray[np.datetime64]:
        """The array."""
        return self.values

    def to(self, unit: DateTimeUnit) -> DateTimeQuantity:
        """The same instants on the wall clock of another unit, floored to the coarser tick."""
        return DateTimeQuantity(between_units(self.values, self.unit, unit), unit)

    def __add__(self, span: pint.Quantity[Any]) -> DateTimeQuantity:
        if not isinstance(span, pint.Quantity):
            return NotImplemented
        ticks = np.rint(span.to(TICKS[self.unit.tick]).magnitude)
        return DateTimeQuantity(self.values + np.asarray(ticks).astype(self.unit.delta_dtype()), self.unit)


def create_quantity(
    values: ArrayLike, unit: AnyUnit | str | Mapping[str, Any]
) -> Quantity | DateTimeQuantity:
    """Numbers, or text that holds them, in a unit; times if it is a time unit. ValueError if unreadable."""
    if isinstance(unit, Mapping):
        unit = DateTimeUnit(**unit)
    if isinstance(unit, DateTimeUnit):
        return DateTimeQuantity(read_times(values, unit, unit), unit)
    return Quantity(np.asarray(values).astype("float64"), Unit(unit) if isinstance(unit, str) else unit)
