"""Units of time: a tick counted on the wall clock of a zone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from zarr_fuse.errors import SchemaError
from zarr_fuse.values.pint_units import Unit
from zarr_fuse.values.zones import zone_of

TICKS = {
    "D": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
    "ms": "millisecond",
    "us": "microsecond",
    "ns": "nanosecond",
}
"""Tick of a time unit → name of the same span in pint, and (with an s) in CF."""

_TICK_NS = {
    "D": 86_400 * 10**9,
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 1000,
    "ns": 1,
}
TICK_PATTERN = rf"([1-9]\d{{0,6}})?({'|'.join(TICKS)})"
_TICK = re.compile(TICK_PATTERN, re.ASCII)


@dataclass(frozen=True, eq=False)
class DateTimeUnit:
    """Times counted in `tick`s of the wall clock in `tz` since 1970-01-01, and how their text is read.

    `tick` is one of `D h m s ms us ns`; `"15m"` means minutes floored to a `multiple` of 15.
    Raises SchemaError for any other tick and for an unknown zone.
    """

    tick: str = "us"
    tz: str | None = "UTC"
    dayfirst: bool = False
    yearfirst: bool = True
    multiple: int = 1

    def __post_init__(self) -> None:
        match = _TICK.fullmatch(self.tick)
        if not match:
            raise SchemaError(f"tick {self.tick!r} is none of {', '.join(TICKS)}")
        object.__setattr__(self, "tick", match.group(2))
        object.__setattr__(self, "multiple", int(match.group(1) or self.multiple))
        object.__setattr__(self, "tz", self.tz or "UTC")
        zone_of(self.tz)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DateTimeUnit):
            return NotImplemented
        flags = (self.dayfirst, self.yearfirst) == (other.dayfirst, other.yearfirst)
        return flags and self.stores_like(other) and self.multiple == other.multiple

    def __hash__(self) -> int:
        return hash((self.tick, self.multiple))

    def stores_like(self, other: object) -> bool:
        """Whether a stored count means the same time in both units, however their text is read."""
        if not isinstance(other, DateTimeUnit) or self.tick != other.tick:
            return False
        zones = (self.tzinfo, other.tzinfo)
        if all(isinstance(zone, dt.timezone) for zone in zones):
            return zones[0].utcoffset(None) == zones[1].utcoffset(None)
        return str(zones[0]) == str(zones[1])

    @property
    def tzinfo(self) -> dt.tzinfo:
        """The zone of the wall clock."""
        return zone_of(self.tz)

    @property
    def tz_shift(self) -> float:
        """Hours that the zone is ahead of UTC, outside summer time."""
        offset = dt.datetime(2000, 1, 1, tzinfo=dt.UTC).astimezone(self.tzinfo).utcoffset()
        return (offset or dt.timedelta()) / dt.timedelta(hours=1)

    @property
    def tick_ns(self) -> int:
        """Length of one tick (not of the multiple) in nanoseconds."""
        return _TICK_NS[self.tick]

    @property
    def plain_counts(self) -> tuple[int, int]:
        """First and last count that plain xarray reads, which it does in nanoseconds of 64 bits."""
        last = (2**63 - 1) // self.tick_ns
        return -last, last

    @property
    def cf_units(self) -> str:
        """CF `units`, such as `seconds since 1970-01-01`."""
        return f"{TICKS[self.tick]}s since 1970-01-01"

    def as_mapping(self) -> dict[str, Any]:
        """The four keys of a schema document."""
        tick = self.tick if self.multiple == 1 else f"{self.multiple}{self.tick}"
        return {"tick": tick, "tz": self.tz, "dayfirst": self.dayfirst, "yearfirst": self.yearfirst}

    def default_dtype(self) -> np.dtype[Any]:
        """`datetime64[tick]`."""
        return np.dtype(f"datetime64[{self.tick}]")

    def delta_unit(self) -> Unit:
        """The tick as a unit of pint."""
        return Unit(TICKS[self.tick])

    def delta_dtype(self, dtype: np.dtype[Any] | None = None) -> np.dtype[Any]:  # noqa: ARG002
        """`timedelta64[tick]`."""
        return np.dtype(f"timedelta64[{self.tick}]")

    def nat(self) -> np.datetime64:
        """Not a time, in this tick."""
        return cast("np.datetime64", np.array("NaT", self.default_dtype())[()])

    def get_encoding(self) -> dict[str, str]:
        """What xarray must be told to write these times as CF counts."""
        return {
            "units": f"{TICKS[self.tick]}s since 1970-01-01 00:00:00",
            "calendar": "proleptic_gregorian",
            "dtype": "int64",
        }

    def parse(self, value: object) -> np.datetime64:
        """The wall-clock time in `tz` that one text means; ValueError if it cannot be read."""
        from zarr_fuse.values.times import read_times

        return cast("np.datetime64", read_times([str(value)], self, self)[0])
