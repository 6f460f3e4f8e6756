"""Plain ISO 8601 texts, a whole column at a time, straight from its bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from zarr_fuse.values.date_doubts import Doubt

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
_MONTH_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] + [0] * 87)


@dataclass(frozen=True)
class Moments:
    """Times of a column: seconds and nanoseconds since 1970-01-01.

    Where `zoned`, they count to the instant, else to the wall clock of a zone still to be named.
    Only those marked `ok` mean anything.
    """

    seconds: Ints
    nanos: Ints
    zoned: Mask
    ok: Mask
    doubts: tuple[Doubt, ...] = ()


class _Texts:
    """The bytes of a text column, addressed from the start and from the end of each text."""

    def __init__(self, texts: pl.Series) -> None:
        array = pa.array(texts.to_arrow(compat_level=pl.CompatLevel.oldest()), pa.large_string())
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        self.start, self.end = bounds[:-1], bounds[1:]
        raw = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
        self.bytes = np.concatenate([raw[: bounds[-1]], np.zeros(32, np.uint8)])
        self.length = self.end - self.start

    def at(self, position: int) -> NDArray[np.uint8]:
        return self.bytes[self.start + position]

    def from_end(self, position: int) -> NDArray[np.uint8]:
        return self.bytes[np.maximum(self.end - position, 0)]

    def is_char(self, position: int, characters: str) -> Mask:
        return np.isin(self.at(position), np.frombuffer(characters.encode(), np.uint8))

    def number(self, position: int, digits: int, ok: Mask) -> Ints:
        """The decimal number of so many digits; `ok` loses the texts that hold something else there."""
        value = np.zeros(len(self.start), dtype=np.int64)
        for index in range(digits):
            digit = self.at(position + index) - np.uint8(48)
            ok &= digit < 10
            value = value * 10 + digit
        return value


def read_iso(texts: pl.Series) -> Moments:
    """`YYYY-MM-DD`, optionally `[T ]HH:MM[:SS[.fraction]]`, then `Z` or `±HH[:MM]`; the rest is not ok.

    `texts` must hold no nulls.
    """
    source = _Texts(texts)
    ok: Mask = source.length >= 10
    year, month, day = source.number(0, 4, ok), source.number(5, 2, ok), source.number(8, 2, ok)
    ok &= source.is_char(4, "-") & source.is_char(7, "-")
    ok &= _is_day(year, month, day)
    seconds = _days(year, month, day) * 86_400
    nanos = np.zeros_like(seconds)
    zoned = np.zeros(len(texts), dtype=bool)
    clock = ok & (source.length > 10)
    if clock.any():
        clock_s, nanos, zoned = _clock(source, clock)
        ok &= clock | (source.length == 10)
        seconds = seconds + np.where(clock, clock_s, 0)
    return Moments(seconds, np.where(clock, nanos, 0), zoned & clock, ok)


def _clock(source: _Texts, ok: Mask) -> tuple[Ints, Ints, Mask]:
    """Seconds of the day less the offset, nanoseconds, and which texts name an offset."""
    ok &= source.is_char(10, "T ") & source.is_char(13, ":")
    hour, minute = source.number(11, 2, ok), source.number(14, 2, ok)
    ok &= (source.length >= 16) & (hour < 24) & (minute < 60)
    offset_s, tail = _offset(source, ok)
    stop = source.length - tail
    has_seconds = ok & (stop > 16)
    second = np.zeros_like(hour)
    if has_seconds.any():
        inside = has_seconds.copy()
        second = source.number(17, 2, inside) * has_seconds
        ok &= ~has_seconds | (inside & source.is_char(16, ":") & (second < 60) & (stop >= 19))
    nanos = _fraction(source, stop, ok)
    return hour * 3600 + minute * 60 + second - offset_s, nanos, tail > 0


def _offset(source: _Texts, ok: Mask) -> tuple[Ints, Ints]:
    """Seconds ahead of UTC, and how many characters say so."""
    shift, tail = np.zeros_like(source.length), np.zeros_like(source.length)
    tail[source.from_end(1) == ord("Z")] = 1
    for width, minutes_at in ((6, 2), (5, 2), (3, 0)):
        sign = source.from_end(width)
        found = (tail == 0) & (source.length >= 16 + width) & ((sign == ord("+")) | (sign == ord("-")))
        if width == 6:
            found &= source.from_end(3) == ord(":")
        if not found.any():
            continue
        digits = [source.from_end(at).astype(np.int64) - 48 for at in range(1, width)]
        hours = digits[width - 2] * 10 + digits[width - 3]
        minutes = digits[1] * 10 + digits[0] if minutes_at else np.zeros_like(hours)
        numeric = [digit for at, digit in enumerate(digits) if not (width == 6 and at == 2)]
        valid = np.logical_and.reduce([(digit >= 0) & (digit < 10) for digit in numeric])
        ok &= ~found | (valid & (hours < 24) & (minutes < 60))
        span = np.where(sign == ord("-"), -1, 1) * (hours * 3600 + minutes * 60)
        shift, tail = np.where(found, span, shift), np.where(found, width, tail)
    return shift, tail


def _fraction(source: _Texts, stop: Ints, ok: Mask) -> Ints:
    """Nanoseconds of what follows the seconds; more than nine digits are cut."""
    nanos = np.zeros_like(stop)
    found = ok & (stop > 19)
    if not found.any():
        return nanos
    ok &= ~found | (source.is_char(19, ".,") & (stop >= 21))
    for index in range(int((stop[found]).max()) - 20):
        digit = (
            source.bytes[np.minimum(source.start + 20 + index, len(source.bytes) - 1)].astype(np.int64) - 48
        )
        here = found & (stop > 20 + index)
        ok &= ~here | ((digit >= 0) & (digit < 10))
        if index < 9:
            nanos += np.where(here, digit * 10 ** (8 - index), 0)
    return nanos


def _is_day(year: Ints, month: Ints, day: Ints) -> Mask:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _MONTH_DAYS[np.clip(month, 0, 99)] - ((month == 2) & ~leap)
    return np.asarray((year >= 1) & (day >= 1) & (day <= last))


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970-01-01 in the proleptic Gregorian calendar (years that start in March)."""
    shifted = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
