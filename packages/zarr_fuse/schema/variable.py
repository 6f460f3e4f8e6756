"""Variables and coordinates, with everything worked out that their document leaves open."""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zarr_fuse.schema.compat import Attributes, Truth
from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.ranges import AnyRange, DiscreteRange, InfRange, flags
from zarr_fuse.schema.steps import Interval
from zarr_fuse.schema.types import DType
from zarr_fuse.schema.unit_forms import unit_form
from zarr_fuse.units import AnyUnit, DateTimeQuantity, DateTimeUnit, NoneUnit, Quantity, create_quantity
from zarr_fuse.values.times import NAT


@dataclass(frozen=True, eq=False)
class Variable:
    """One array of a node: its values lie over `coords` (axis order) in `unit` and `type`.

    `type` is None until the first frame fixes it; then `na_value` is None too.
    """

    name: str
    coords: tuple[str, ...]
    unit: AnyUnit = field(default_factory=NoneUnit)
    source_unit: AnyUnit = field(default_factory=NoneUnit)
    type: DType | None = None
    na_value: Any = None
    range: AnyRange = field(default_factory=InfRange)
    df_col: str = ""
    description: str | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def _identity(self) -> tuple[Any, ...]:
        return (
            *(self.name, self.coords, self.unit, self.source_unit, self.type, str(self.na_value)),
            *(self.range, self.df_col, self.description, self.attrs),
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Variable)
            and type(self) is type(other)
            and self._identity() == other._identity()
        )

    def __hash__(self) -> int:
        return hash((self.name, self.coords))

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The numpy type of values (of labels, for a discrete variable); None while open."""
        return self.type.dtype if self.type else None

    @property
    def is_coded(self) -> bool:
        """Whether the array holds codes of a discrete range."""
        return isinstance(self.range, DiscreteRange)

    @property
    def storage_dtype(self) -> np.dtype[Any]:
        """The numpy type of the array as stored: codes and times are int64. TypeError while open."""
        if self.type is None:
            raise TypeError(f"the type of {self.name!r} is fixed by the first frame")
        return np.dtype("int64") if self.is_coded else self.type.storage

    @property
    def storage_na(self) -> Any:  # noqa: ANN401
        """The missing value as stored, a scalar of `storage_dtype`: 0 for codes, −2⁶³ for times."""
        dtype = self.storage_dtype
        if self.is_coded:
            return np.int64(0)
        return np.int64(NAT) if isinstance(self.unit, DateTimeUnit) else dtype.type(self.na_value)

    def resolved(self, dtype: DType | None) -> Self:
        """A copy with an open type fixed; unchanged where the type is known or `dtype` is None."""
        if self.type is not None or dtype is None:
            return self
        return replace(self, type=dtype, na_value=dtype.na_value(None, SchemaCtx((self.name,))))

    @cached_property
    def zarr_attrs(self) -> Attributes:
        """The attributes of the array.

        Times carry CF `units` and `calendar`, coded text CF flags; floats whose missing value is NaN repeat
        it as `_FillValue` (base64 of a little-endian double), because xarray takes no fill value of Zarr 3
        as missing.
        """
        return Attributes(self._own_attrs() | self._cf_attrs() | self.attrs)

    def _own_attrs(self) -> dict[str, Any]:
        return {
            "unit": unit_form(self.unit),
            "type": str(self.type) if self.type else None,
            "range": self.range.form(),
            "description": self.description,
            "df_col": self.df_col,
            "source_unit": unit_form(self.source_unit),
        }

    def _cf_attrs(self) -> dict[str, Any]:
        if self.is_coded:
            return flags(self.range.labels) if isinstance(self.range, DiscreteRange) else {}
        if isinstance(self.unit, DateTimeUnit):
            return {"units": self.unit.cf_units, "calendar": "proleptic_gregorian"}
        if self.type and self.type.kind == "f" and math.isnan(self.na_value):
            return {"_FillValue": base64.standard_b64encode(struct.pack("<d", math.nan)).decode()}
        return {}

    def valid_mask(self, array: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values (decoded or as stored) are not missing."""
        if array.dtype.kind == "M":
            return np.asarray(~np.isnat(array))
        if array.dtype.kind in "fc":
            return np.asarray(~np.isnan(array) & (array != self.na_value))
        na = self.storage_na if array.dtype == self.storage_dtype else self.na_value
        return np.asarray(array != na)

    def convert_values(self, values: ArrayLike, from_unit: AnyUnit | None = None) -> NDArray[Any]:
        """Values from `source_unit` (or `from_unit`) into `unit`, as `encode` gives them; else ValueError."""
        quantity = self._in_unit(values, from_unit or self.source_unit)
        return self.range.encode(_magnitude(quantity.to(self.unit)))

    def quantity(self, values: ArrayLike | Quantity | DateTimeQuantity) -> Quantity | DateTimeQuantity:
        """Values in `unit`; a plain array is taken to be in it already."""
        if isinstance(values, Quantity | DateTimeQuantity):
            given: Any = values
            return cast("Quantity | DateTimeQuantity", given.to(self.unit))
        return cast("Quantity | DateTimeQuantity", self._in_unit(values, self.unit))

    def magnitude(self, values: ArrayLike | Quantity | DateTimeQuantity) -> NDArray[Any]:
        """The plain array of a quantity; an array as it is."""
        return _magnitude(values)

    def encode(self, values: ArrayLike | Quantity | DateTimeQuantity) -> NDArray[Any]:
        """Values in `unit` as the array stores them; times stay `datetime64`."""
        return self.range.encode(_magnitude(values))

    def decode(self, stored: NDArray[Any]) -> Quantity | DateTimeQuantity | NDArray[Any]:
        """Stored values as a quantity; text, which has no unit, as an array."""
        values = self.range.decode(stored)
        return values if values.dtype.kind == "U" else self.quantity(values)

    def _in_unit(self, values: ArrayLike, unit: AnyUnit) -> Any:  # noqa: ANN401
        array = np.asarray(values)
        if isinstance(unit, DateTimeUnit):
            return DateTimeQuantity(array, unit) if array.dtype.kind == "M" else create_quantity(array, unit)
        typed = array if self.dtype is None or self.is_coded else array.astype(self.dtype)
        return Quantity(typed, unit)

    def get_encoding(self) -> dict[str, str]:
        """What xarray must be told to write values in this unit."""
        return self.unit.get_encoding()

    def form(self) -> dict[str, Any]:
        """The mapping of a stored schema."""
        described = {} if self.description is None else {"description": self.description}
        entry = {
            "name": self.name,
            "coords": list(self.coords),
            "unit": unit_form(self.unit),
            "type": str(self.type) if self.type else None,
            "na_value": _na_form(self.na_value),
            **described,
            "df_col": self.df_col,
            "source_unit": unit_form(self.source_unit),
            "range": self.range.form(),
        }
        return entry | self._axis_form() | ({"attrs": self.attrs} if self.attrs else {}) | self._tail_form()

    def _axis_form(self) -> dict[str, Any]:
        return {}

    def _tail_form(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, eq=False)
class Coord(Variable):
    """The labels along one axis; `composed` names the variables whose tuples are its positions.

    `left_open` names fields that hold defaults because the document says nothing of them.
    """

    composed: tuple[str, ...] = ()
    chunk_size: int = 1024
    shard_size: int | None = None
    step_limits: Interval = field(default_factory=lambda: Interval(-math.inf, math.inf, NoneUnit()))
    sorted: bool = True
    left_open: frozenset[str] = frozenset()

    def _identity(self) -> tuple[Any, ...]:
        steps = self.step_limits.step_form()
        own = (self.composed, self.chunk_size, self.shard_size, str(steps), self.sorted)
        return super()._identity() + own

    @property
    def is_composed(self) -> bool:
        """Whether positions are tuples of variables."""
        return Truth.of(len(self.composed) > 1)

    @property
    def is_coded(self) -> bool:
        """Never: on a coordinate the label itself is stored."""
        return False

    @property
    def step_bounds(self) -> tuple[float, float] | None:
        """Shortest and longest step in ticks or the coordinate's unit; None where nothing limits them."""
        kind = self.type.kind if self.type else "f"
        return self.step_limits.steps_in(self.unit) if self.sorted and kind in "iufM" else None

    def _axis_attrs(self) -> dict[str, Any]:
        return {
            "composed": list(self.composed),
            "chunk_size": self.chunk_size,
            "step_limits": self.step_limits.step_form(),
            "sorted": self.sorted,
        }

    def _own_attrs(self) -> dict[str, Any]:
        return super()._own_attrs() | self._axis_attrs()

    def _axis_form(self) -> dict[str, Any]:
        return self._axis_attrs()

    def _tail_form(self) -> dict[str, Any]:
        return {} if self.shard_size is None else {"shard_size": self.shard_size}


def _na_form(value: Any) -> Any:  # noqa: ANN401
    if value is None or isinstance(value, np.datetime64):
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    return plain.real if isinstance(plain, complex) else plain


def _magnitude(values: Any) -> NDArray[Any]:  # noqa: ANN401
    return np.asarray(values.magnitude if hasattr(values, "magnitude") else values)
