"""`step_limits`: which new labels an axis takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from zarr_fuse.schema.compat import Truth
from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.unit_forms import step_unit
from zarr_fuse.units import AnyUnit, DateTimeUnit, Unit, convert


@dataclass(frozen=True)
class Interval:
    """From `start` to `end` in `unit`, borders included; infinite ends are open."""

    start: Any
    end: Any
    unit: AnyUnit

    @property
    def any_new(self) -> bool:
        """As `step_limits`: every label is added."""
        return Truth.of(self.start == -math.inf and self.end == math.inf)

    @property
    def no_new(self) -> bool:
        """As `step_limits`: after the first write no label is added."""
        return Truth.of(self.start == -math.inf and self.end == -math.inf)

    def steps_in(self, axis: AnyUnit) -> tuple[float, float] | None:
        """Shortest and longest step in the unit (or tick) of an axis; None where nothing limits them."""
        if self.any_new or self.no_new or not isinstance(self.unit, Unit):
            return None
        own = axis.delta_unit()
        return float(convert(self.start, self.unit, own)), float(convert(self.end, self.unit, own))

    def step_form(self) -> str | list[Any]:
        """The form in a document."""
        if self.any_new:
            return "any_new"
        return "no_new" if self.no_new else [self.start, self.end, str(self.unit)]


def parse_steps(given: object, axis: AnyUnit, ctx: SchemaCtx) -> Interval:
    """The steps that a document allows along an axis in this unit."""
    if given == "any_new" or given == []:
        return Interval(-math.inf, math.inf, axis.delta_unit())
    if given is None or given == "no_new":
        return Interval(-math.inf, -math.inf, axis.delta_unit())
    if not isinstance(given, list) or len(given) not in {2, 3}:
        raise ctx.error(f"expected any_new, no_new or [min, max, unit], not {given!r}")
    start, end = given[:2]
    if not all(_is_number(bound) for bound in (start, end)):
        raise ctx.error(f"the steps {given[:2]!r} are not numbers")
    if start > end:
        raise ctx.error(f"the shortest step {start} is longer than the longest {end}")
    interval = Interval(start, end, step_unit(given[2] if len(given) == 3 else None, axis, ctx.dive(2)))
    limits = interval.steps_in(axis)
    least = 1 - 1e-9 if isinstance(axis, DateTimeUnit) else 0
    if limits and (limits[1] < least or limits[1] <= 0):
        raise ctx.error(f"the longest step {end} {interval.unit} is shorter than one tick")
    return interval


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
