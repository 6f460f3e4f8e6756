"""Columns of times → counts of ticks on the wall clock of the stored unit.

Text with an offset and zoned datetimes mean their instant; other text, naive datetimes and dates the wall
clock of the source zone by its rules at that instant; numbers count source ticks since 1970-01-01T00:00Z.
Text of 9 to 11, 13, 16 or 19 digits is such a number too: CSV has no types, and no date is written so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from zarr_fuse.values.date_doubts import Doubt, doubts_of
from zarr_fuse.values.date_order import as_iso
from zarr_fuse.values.iso_times import Ints, Mask, Moments, read_iso
from zarr_fuse.values.time_grammar import read_text
from zarr_fuse.values.time_units import DateTimeUnit
from zarr_fuse.values.zones import to_local, to_utc

NAT = np.iinfo(np.int64).min
_SECOND_NS = 10**9
_LARGEST = np.iinfo(np.int64).max
_COUNT_TEXT = r"^-?(?:[0-9]{9,11}|[0-9]{13}|[0-9]{16}|[0-9]{19})$"
_NA_TEXTS = ("", "nan", "nat")


@dataclass(frozen=True)
class Times:
    """A converted column, shape (rows,): counts with NaT in `missing` and `unreadable` cells."""

    counts: Ints
    missing: Mask
    unreadable: Mask
    doubts: tuple[Doubt, ...] = ()


def convert_times(column: pl.Series, source: DateTimeUnit, target: DateTimeUnit) -> Times:
    """Counts of `target` ticks for a column of text, datetimes, dates or numbers; else TypeError."""
    stored = _as_they_are(column, source, target)
    if stored is not None:
        return stored
    moments, missing = _moments(column, source)
    seconds, nanos, ok = _on_wall_clock(moments, source, target)
    counts, fits = _counts(seconds, nanos, ok & ~missing, source, target)
    good = fits & ~missing
    return Times(np.where(good, counts, NAT), missing, ~good & ~missing, moments.doubts)


def read_times(values: ArrayLike, source: DateTimeUnit, target: DateTimeUnit) -> NDArray[np.datetime64]:
    """Wall-clock times of `target`, shape of `values`; ValueError names what cannot be read."""
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return between_units(array, source, target)
    column = pl.Series(
        "", array.ravel().tolist() if array.dtype.kind in "OU" else array.ravel(), strict=False
    )
    times = convert_times(column, source, target)
    if times.unreadable.any():
        raise ValueError(f"{str(array.ravel()[times.unreadable][0])!r} is not a time")
    return times.counts.view(target.default_dtype()).reshape(array.shape)


def between_units(
    values: NDArray[np.datetime64], source: DateTimeUnit, target: DateTimeUnit
) -> NDArray[np.datetime64]:
    """Wall-clock times of one unit on the wall clock of another; ValueError for a skipped hour."""
    counts = values.astype(source.default_dtype()).view(np.int64).ravel()
    missing = counts == NAT
    moments = _from_counts(np.where(missing, 0, counts), source, zoned=False)
    seconds, nanos, ok = _on_wall_clock(moments, source, target)
    converted, fits = _counts(seconds, nanos, ok, source, target)
    if not (fits | missing).all():
        raise ValueError(
            f"{values.ravel()[~(fits | missing)][0]} does not exist in {source.tz} or is too far away"
        )
    return np.where(missing, NAT, converted).view(target.default_dtype()).reshape(values.shape)


def _as_they_are(column: pl.Series, source: DateTimeUnit, target: DateTimeUnit) -> Times | None:
    """Whole numbers that are stored as they come; None where something is to be worked out."""
    same = source.tick == target.tick and source.multiple == target.multiple == 1
    if not (same and target.tzinfo == dt.UTC and column.dtype.is_integer() and not column.null_count()):
        return None
    limit = _LARGEST // max(1, target.tick_ns // _SECOND_NS) // 2
    low, high = column.min() or 0, column.max() or 0
    if not (isinstance(low, int) and isinstance(high, int) and -limit < low <= high < limit):
        return None
    nothing = np.zeros(len(column), dtype=bool)
    return Times(column.cast(pl.Int64).to_numpy(), nothing, nothing.copy())


def _moments(column: pl.Series, source: DateTimeUnit) -> tuple[Moments, Mask]:
    dtype = column.dtype
    missing = column.is_null().to_numpy()
    if dtype == pl.String:
        return _from_text(column, missing, source)
    if dtype == pl.Date:
        days = column.cast(pl.Int32).fill_null(0).to_numpy().astype(np.int64)
        return Moments(days * 86_400, *_plain(len(days), zoned=False)), missing
    if isinstance(dtype, pl.Datetime):
        stamps = column.to_physical().fill_null(0).to_numpy()
        unit = DateTimeUnit(tick=dtype.time_unit)
        return _from_counts(stamps, unit, zoned=dtype.time_zone is not None), missing
    if dtype.is_integer():
        return _from_integers(column, missing, source), missing | _are_nat(column)
    if dtype.is_float():
        return _from_floats(column, missing, source)
    if dtype == pl.Null:
        return Moments(np.zeros(len(column), np.int64), *_plain(len(column), zoned=True)), missing
    raise TypeError(f"a column of type {dtype} holds no times")


def _plain(rows: int, *, zoned: bool) -> tuple[Ints, Mask, Mask]:
    return np.zeros(rows, np.int64), np.full(rows, fill_value=zoned), np.ones(rows, dtype=bool)


def _from_counts(counts: Ints, unit: DateTimeUnit, *, zoned: bool) -> Moments:
    per_second, in_second = _SECOND_NS // unit.tick_ns, unit.tick_ns // _SECOND_NS
    _, flags, ok = _plain(len(counts), zoned=zoned)
    if in_second:
        ok &= np.abs(counts) < _LARGEST // in_second // 2
        return Moments(np.where(ok, counts, 0) * in_second, np.zeros_like(counts), flags, ok)
    seconds = counts // per_second
    return Moments(seconds, (counts - seconds * per_second) * unit.tick_ns, flags, ok)


def _from_integers(column: pl.Series, missing: Mask, source: DateTimeUnit) -> Moments:
    counts = column.cast(pl.Int64, strict=False)
    fits = counts.is_not_null().to_numpy() | missing
    moments = _from_counts(counts.fill_null(0).to_numpy(), source, zoned=True)
    return Moments(moments.seconds, moments.nanos, moments.zoned, moments.ok & fits)


def _are_nat(column: pl.Series) -> Mask:
    return (column.cast(pl.Int64, strict=False) == NAT).fill_null(value=False).to_numpy()


def _from_floats(column: pl.Series, missing: Mask, source: DateTimeUnit) -> tuple[Moments, Mask]:
    numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    missing = missing | np.isnan(numbers)
    fits = np.abs(numbers) < 2.0**63
    moments = _from_counts(np.floor(np.where(fits, numbers, 0)).astype(np.int64), source, zoned=True)
    return Moments(moments.seconds, moments.nanos, moments.zoned, moments.ok & fits), missing


def _from_text(column: pl.Series, missing: Mask, source: DateTimeUnit) -> tuple[Moments, Mask]:
    moments = read_iso(column.fill_null(""))
    rest = np.flatnonzero(~moments.ok & ~missing)
    if not len(rest):
        return moments, missing
    texts = column[rest].str.strip_chars()
    missing = missing.copy()
    missing[rest] = texts.str.to_lowercase().is_in(list(_NA_TEXTS)).to_numpy()
    unusual = texts.unique()
    known = _read_unusual(unusual, source)
    place = texts.to_frame("text").join(
        unusual.to_frame("text").with_row_index("place"), on="text", how="left"
    )
    index = place["place"].to_numpy()
    for old, new in zip(
        (moments.seconds, moments.nanos, moments.zoned, moments.ok),
        (known.seconds, known.nanos, known.zoned, known.ok),
        strict=True,
    ):
        old[rest] = new[index]
    doubts = tuple(doubt.at(rest, index, len(column)) for doubt in known.doubts)
    return replace(moments, doubts=doubts), missing


def _read_unusual(texts: pl.Series, source: DateTimeUnit) -> Moments:
    """Distinct texts: those of numbers only at once, the others one by one."""
    moments = read_iso(as_iso(texts, dayfirst=source.dayfirst))
    _take_counts(moments, texts, source)
    for index in np.flatnonzero(~moments.ok).tolist():
        reading = read_text(texts[index], dayfirst=source.dayfirst, yearfirst=source.yearfirst)
        if reading is not None:
            moments.seconds[index], moments.nanos[index] = reading.seconds, reading.nanos
            moments.zoned[index], moments.ok[index] = reading.zoned, True
    return replace(moments, doubts=doubts_of(texts, source))


def _take_counts(moments: Moments, texts: pl.Series, source: DateTimeUnit) -> None:
    """Read the texts that are numbers of ticks."""
    rows = np.flatnonzero(texts.str.contains(_COUNT_TEXT).to_numpy() & ~moments.ok)
    numbers = texts[rows].cast(pl.Int64, strict=False)
    counted = _from_integers(numbers, numbers.is_null().to_numpy(), source)
    moments.seconds[rows], moments.nanos[rows] = counted.seconds, counted.nanos
    moments.zoned[rows], moments.ok[rows] = True, counted.ok & numbers.is_not_null().to_numpy()


def _on_wall_clock(moments: Moments, source: DateTimeUnit, target: DateTimeUnit) -> tuple[Ints, Ints, Mask]:
    """Seconds and nanoseconds on the wall clock of `target`."""
    seconds = np.where(moments.ok, moments.seconds, 0)
    local = moments.ok & ~moments.zoned
    exists = moments.ok
    if local.any():
        instants, real = to_utc(seconds, source.tzinfo)
        exists = exists & (real | ~local)
        if source.tzinfo != target.tzinfo:
            return to_local(np.where(local, instants, seconds), target.tzinfo), moments.nanos, exists
        if local.all():
            return seconds, moments.nanos, exists
    return np.where(local, seconds, to_local(seconds, target.tzinfo)), moments.nanos, exists


def _counts(
    seconds: Ints, nanos: Ints, ok: Mask, source: DateTimeUnit, target: DateTimeUnit
) -> tuple[Ints, Mask]:
    """Counts of target ticks, floored to the coarser unit, and which of them fit."""
    for unit in (source, target):
        seconds, nanos = _floored(seconds, nanos, unit)
    if target.tick_ns >= _SECOND_NS:
        return seconds // (target.tick_ns // _SECOND_NS), ok
    per_second = _SECOND_NS // target.tick_ns
    fits = ok & (np.abs(seconds) < _LARGEST // per_second)
    return np.where(fits, seconds, 0) * per_second + nanos // target.tick_ns, fits


def _floored(seconds: Ints, nanos: Ints, unit: DateTimeUnit) -> tuple[Ints, Ints]:
    step_ns = unit.tick_ns * unit.multiple
    if step_ns % _SECOND_NS == 0:
        step_s = step_ns // _SECOND_NS
        return seconds - seconds % step_s, np.zeros_like(nanos)
    if _SECOND_NS % step_ns == 0:
        return seconds, nanos - nanos % step_ns
    remainder = (seconds % step_ns * (_SECOND_NS % step_ns) + nanos) % step_ns
    total = nanos - remainder
    return seconds + total // _SECOND_NS, total % _SECOND_NS
