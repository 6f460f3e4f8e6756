"""Times as older stores count them: from another epoch, in another resolution, in another type."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zarr_fuse.errors import CorruptStoreError
from zarr_fuse.stored.chunks import StoredArray
from zarr_fuse.values.time_units import DateTimeUnit
from zarr_fuse.values.times import NAT

Ticks = NDArray[np.int64]  # counts of a unit's tick since 1970, −2⁶³ where there is no time
LARGEST = 2**62


@dataclass(frozen=True)
class TimeEncoding:
    """Counts of type `dtype`, where count × `step` + `epoch` is a time and `tick` the length of a tick.

    All three lengths are in one unit, a common divisor of theirs.
    """

    dtype: np.dtype[Any]
    step: int
    epoch: int
    tick: int

    def decode(self, counts: NDArray[Any]) -> Ticks:
        """Stored counts as ticks, floored."""
        if counts.dtype.kind == "f":
            missing = np.isnan(counts)
            spans = np.rint(np.where(missing, 0.0, counts) * self.step).astype(np.int64)
        else:
            missing = counts.astype(np.int64) == NAT
            spans = np.where(missing, 0, counts).astype(np.int64) * self.step
        return np.where(missing, NAT, (spans + self.epoch) // self.tick)

    def encode(self, ticks: Ticks) -> NDArray[Any]:
        """Ticks as stored counts; exact for those that `holds` says so of."""
        missing = ticks == NAT
        spans = np.where(missing, 0, ticks) * self.tick - self.epoch
        if self.dtype.kind == "f":
            return np.where(missing, np.nan, spans / self.step).astype(self.dtype)
        return np.where(missing, self._missing, spans // self.step).astype(self.dtype)

    def holds(self, ticks: Ticks) -> bool:
        """Whether every time has an exact count."""
        largest = (LARGEST - abs(self.epoch)) // self.tick
        times = ticks[ticks != NAT]
        if self.dtype.kind != "f" and self.dtype != np.int64 and len(times) != len(ticks):
            return False
        if len(times) and max(-int(times.min()), int(times.max())) > largest:
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return bool(np.array_equal(self.decode(self.encode(times)), times))

    @property
    def _missing(self) -> int:
        return NAT if self.dtype == np.int64 else 0


def encoding_of(array: StoredArray, unit: DateTimeUnit) -> TimeEncoding | None:
    """How an array counts the times of a schema's unit; None where it does so as this package does.

    Raises:
        CorruptStoreError: its `units` and `calendar` say nothing that can be read.
    """
    attributes = array.document["attributes"]
    units = attributes.get("units")
    is_own = array.dtype == np.int64
    if is_own and (units is None or units in {unit.cf_units, f"{unit.cf_units} 00:00:00"}):
        return None
    epoch, step = _scale(array.path, units or unit.cf_units, attributes.get("calendar", "standard"))
    if is_own and (epoch, step) == (0, unit.tick_ns):
        return None
    divisor = math.gcd(epoch, step, unit.tick_ns)
    return TimeEncoding(array.dtype, step // divisor, epoch // divisor, unit.tick_ns // divisor)


@lru_cache(maxsize=256)
def _scale(path: str, units: str, calendar: str) -> tuple[int, int]:
    """Epoch (since 1970) and length of one count, both in nanoseconds."""
    counts = xr.Dataset({"t": ("n", np.array([0, 1]), {"units": units, "calendar": calendar})})
    try:
        coder = xr.coders.CFDatetimeCoder(time_unit="s")
        times = xr.decode_cf(counts, decode_times=coder).t.values
    except (ValueError, OverflowError, ImportError) as error:
        raise CorruptStoreError(f"{path}: times in {units!r} cannot be read") from error
    if times.dtype.kind != "M":
        raise CorruptStoreError(f"{path}: times in {units!r} of the calendar {calendar!r} cannot be read")
    resolution = DateTimeUnit(np.datetime_data(times.dtype)[0]).tick_ns
    first, second = (int(count) * resolution for count in times.astype(np.int64))
    return first, second - first
