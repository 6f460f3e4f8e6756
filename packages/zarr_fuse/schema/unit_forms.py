"""Units between their forms in a document and the objects of `zarr_fuse.units`."""

from __future__ import annotations

import re
from typing import Any

from zarr_fuse.errors import SchemaError
from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.document import TimeUnitDocument
from zarr_fuse.units import TICKS, AnyUnit, DateTimeUnit, NoneUnit, UndefinedUnitError, Unit
from zarr_fuse.values.zones import has_summer_time

_BARE_POWER = re.compile(r"(?<=[^\W\d_])([+-]?[1-9])(?![\d.])")
_EASILY_MISTAKEN = {"C": ("coulomb", "degC"), "D": ("debye", "day")}


def parse_unit(given: str | TimeUnitDocument | None, ctx: SchemaCtx) -> AnyUnit:
    """The unit that a document names; null is no unit."""
    if given is None:
        return NoneUnit()
    if isinstance(given, TimeUnitDocument):
        return _time_unit(given, ctx)
    if given in _EASILY_MISTAKEN:
        meant, likely = _EASILY_MISTAKEN[given]
        ctx.warning(f"unit {given!r} is a {meant}; write {meant!r}, or {likely!r} if that is meant")
    try:
        return Unit(given)
    except UndefinedUnitError as error:
        message = f"{error.message}{_power_hint(given)}"
        if not ctx.stored:
            raise ctx.error(message, UndefinedUnitError) from None
        ctx.warning(f"{message}; read as no unit")
        return NoneUnit()


def _power_hint(text: str) -> str:
    """How to write a unit such as `m3/s` or `kg m-3`, if that is what its digits mean."""
    rewritten = _BARE_POWER.sub(r"**\1", text)
    if rewritten == text:
        return ""
    try:
        Unit(rewritten)
    except UndefinedUnitError:
        return ""
    return f"; powers are written with **: did you mean {rewritten!r}?"


def _time_unit(given: TimeUnitDocument, ctx: SchemaCtx) -> DateTimeUnit:
    try:
        unit = DateTimeUnit(given.tick, given.tz, given.dayfirst, given.yearfirst)
    except SchemaError as error:
        raise ctx.error(error.message) from None
    if unit.multiple > 1 and not ctx.stored:
        ctx.dive("tick").warning(
            f"times are floored to {unit.multiple} {unit.tick} and stored in {unit.tick}"
        )
    return unit


def warn_of_summer_time(unit: AnyUnit, ctx: SchemaCtx) -> None:
    """Two instants of an autumn night share a label where the stored wall clock is turned back."""
    if isinstance(unit, DateTimeUnit) and not ctx.stored and has_summer_time(unit.tzinfo):
        ctx.warning(f"{unit.tz} has summer time: in autumn two instants share a label; UTC is safe")


def step_unit(given: object, axis: AnyUnit, ctx: SchemaCtx) -> Unit:
    """The unit of steps along an axis; on a time axis ticks are tried first (`m` = minute)."""
    own = axis.delta_unit()
    if given is None or given == "":
        return own
    if not isinstance(given, str):
        raise ctx.error(f"the unit of a step is text, not {given!r}")
    name = TICKS.get(given, given) if isinstance(axis, DateTimeUnit) else given
    try:
        unit = Unit(name).delta_unit()
    except UndefinedUnitError as error:
        raise ctx.error(f"{error.message}{_power_hint(name)}", UndefinedUnitError) from None
    if not unit.is_compatible_with(own):
        raise ctx.error(f"a step in {given!r} does not fit an axis in {own}")
    return unit


def unit_form(unit: AnyUnit) -> str | dict[str, Any] | None:
    """The form in a document: long name, mapping with all four keys, or null."""
    if isinstance(unit, DateTimeUnit):
        return unit.as_mapping()
    return None if isinstance(unit, NoneUnit) else str(unit)
