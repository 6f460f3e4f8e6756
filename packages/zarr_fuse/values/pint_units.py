"""Units of measurement, in the one registry that pint applications share."""

from __future__ import annotations

import math
import tokenize
from typing import Any, cast

import numpy as np
import pint
from numpy.typing import NDArray

from zarr_fuse.errors import UndefinedUnitError

ureg = cast("pint.UnitRegistry[Any]", pint.application_registry)
if "bool" not in ureg:
    ureg.define("bool = [bool] = _ = boolean")
    ureg.define("true = 1 bool")
    ureg.define("false = 0 bool")

_PINT_ERRORS = (pint.PintError, AttributeError, ValueError, TypeError, AssertionError, tokenize.TokenError)


class Unit(pint.Unit):
    """A unit of `ureg`; two are equal when every magnitude means the same in both (`m` = `meter`)."""

    def __init__(self, text: str | pint.Unit) -> None:
        try:
            super().__init__(text)
        except _PINT_ERRORS as error:
            raise UndefinedUnitError(f"unknown unit {text!r}: {error}") from error

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NoneUnit):
            return False
        if isinstance(other, pint.Unit) and self._units == other._units:
            return True
        if not isinstance(other, pint.Unit):
            return bool(super().__eq__(other))
        return str(self) == str(other) or _same_magnitudes(self, other)

    def __hash__(self) -> int:
        return hash(self.dimensionality)

    def default_dtype(self) -> np.dtype[Any] | None:
        """Type of a variable that names this unit but no type."""
        return np.dtype("float64")

    def delta_unit(self) -> Unit:
        """Unit of the difference of two values, such as `delta_degree_Celsius`."""
        one: pint.Quantity[Any] = pint.Quantity(1.0, self)
        return Unit((one - one).units)

    def delta_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Type of the difference of two values of `dtype`."""
        return dtype

    def get_encoding(self) -> dict[str, str]:
        """What xarray must be told to write values in this unit: nothing."""
        return {}


_TRUTH = Unit("bool")


class NoneUnit(Unit):
    """No unit at all; unlike the unit `""` it equals only itself."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoneUnit)

    def __hash__(self) -> int:
        return hash(NoneUnit)

    def default_dtype(self) -> np.dtype[Any] | None:
        """None: the first frame fixes the type."""
        return None


def _same_magnitudes(one: pint.Unit, other: pint.Unit) -> bool:
    if not one.is_compatible_with(other):
        return False
    try:
        zero, unity = ureg.convert(0.0, one, other), ureg.convert(1.0, one, other)
    except (pint.PintError, ZeroDivisionError):
        return False
    return math.isclose(unity, 1.0, rel_tol=1e-12) and math.isclose(zero, 0.0, abs_tol=1e-12)


class Quantity(pint.Quantity[Any]):
    """Numbers in a unit of `ureg`."""

    @property
    def unit(self) -> Unit:
        """The unit (pint calls it `units`)."""
        return Unit(str(self.units))


def measures_truth(unit: Unit) -> bool:
    """Whether values in this unit are true or false."""
    return bool(unit.dimensionality == _TRUTH.dimensionality)


def convert(values: float | NDArray[Any], source: Unit, target: Unit) -> NDArray[Any]:
    """Numbers from one unit into another; `pint.DimensionalityError` if they measure different things."""
    given: Any = values
    return cast("NDArray[Any]", ureg.convert(given, source, target))
