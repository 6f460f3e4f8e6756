"""Time zones: names, abbreviations with one fixed offset, and whole arrays moved between zones.

All offsets come from `zoneinfo`; arrays hold seconds since 1970-01-01, of the instant or of the wall clock.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.errors import SchemaError

Seconds = NDArray[np.int64]
DAY_S = 86_400
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_OFFSET = re.compile(r"([+-])(\d{2}):([0-5]\d)", re.ASCII)
_PROBES = (dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2000, 7, 1, tzinfo=dt.UTC))


@cache
def _known_abbreviations() -> tuple[dict[str, dt.timezone], frozenset[str]]:
    offsets: dict[str, set[dt.timedelta]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        for local in (probe.astimezone(zoneinfo.ZoneInfo(name)) for probe in _PROBES):
            abbreviation = local.tzname() or ""
            if abbreviation.isalpha() and len(abbreviation) <= 5:
                offsets.setdefault(abbreviation, set()).add(local.utcoffset() or dt.timedelta())
    fixed = {name: dt.timezone(next(iter(found)), name) for name, found in offsets.items() if len(found) == 1}
    return fixed, frozenset(name for name, found in offsets.items() if len(found) > 1)


def build_tzinfos() -> dict[str, dt.timezone]:
    """Abbreviations that mean the same offset wherever they are used, such as `CET` = +01:00."""
    return dict(_known_abbreviations()[0])


class _Abbreviations(Mapping[str, dt.timezone]):
    """The table of `build_tzinfos`, made at its first use because that reads every zone file."""

    def __getitem__(self, key: str) -> dt.timezone:
        return _known_abbreviations()[0][key]

    def __iter__(self) -> Iterator[str]:
        return iter(_known_abbreviations()[0])

    def __len__(self) -> int:
        return len(_known_abbreviations()[0])


TZINFOS: Mapping[str, dt.timezone] = _Abbreviations()


@lru_cache(maxsize=1024)
def zone_of(text: str | None) -> dt.tzinfo:
    """The zone that `±HH:MM`, an unambiguous abbreviation or a zone name means; None is UTC."""
    if text is None or text in {"UTC", "Z"}:
        return dt.UTC
    if match := _OFFSET.fullmatch(text):
        sign, hours, minutes = match.groups()
        shift = dt.timedelta(hours=int(hours), minutes=int(minutes))
        if shift < dt.timedelta(hours=24):
            return dt.timezone(-shift if sign == "-" else shift)
    if text.isalpha() and len(text) <= 5:
        fixed, ambiguous = _known_abbreviations()
        if text in ambiguous:
            raise SchemaError(f"time zone {text!r} means different offsets in different places")
        if text in fixed:
            return fixed[text]
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SchemaError(f"unknown time zone {text!r}") from error


def has_summer_time(zone: dt.tzinfo) -> bool:
    """Whether the wall clock of `zone` is turned back and forth in these years."""
    if isinstance(zone, dt.timezone):
        return False
    years = range(2020, 2030)
    return any(_changes(zone, year) for year in years)


def to_local(utc_s: Seconds, zone: dt.tzinfo) -> Seconds:
    """Wall-clock seconds in `zone` of these instants."""
    if isinstance(zone, dt.timezone):
        return utc_s + _offset_s(zone, 0)
    at, before, after = _table(zone, utc_s)
    return utc_s + np.append(before[:1], after)[np.searchsorted(at, utc_s, side="right")]


def to_utc(local_s: Seconds, zone: dt.tzinfo) -> tuple[Seconds, NDArray[np.bool_]]:
    """Instants of these wall-clock seconds, and which of them exist.

    Of a repeated hour the first is meant; an hour that is skipped does not exist.
    """
    if isinstance(zone, dt.timezone):
        return local_s - _offset_s(zone, 0), np.ones(local_s.shape, dtype=bool)
    at, before, after = _table(zone, local_s)
    segment = np.searchsorted(at + before, local_s, side="right")
    utc_s = local_s - np.append(before[:1], after)[segment]
    return utc_s, utc_s >= np.append(np.iinfo(np.int64).min, at)[segment]


def _table(zone: dt.tzinfo, seconds: Seconds) -> tuple[Seconds, Seconds, Seconds]:
    """All changes of offset (instant, offset before, offset after) in and around the years of `seconds`."""
    in_range = np.clip(seconds, _start_s(3), _start_s(9998) - 1)
    years = np.unique(in_range.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)) + 1970
    wanted = np.unique(np.concatenate([years - 1, years, years + 1])).tolist()
    rows: list[tuple[int, int, int]] = []
    for index, year in enumerate(wanted):
        if index == 0 or wanted[index - 1] != year - 1:
            offset_s = _offset_s(zone, _start_s(year) - 1)
            rows.append((_start_s(year) - 1, offset_s, offset_s))
        rows += _changes(zone, year)
    table = np.array(rows or [(0, 0, 0)], dtype=np.int64)
    return table[:, 0], table[:, 1], table[:, 2]


@lru_cache(maxsize=4096)
def _changes(zone: dt.tzinfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """Changes of offset in one year, found by looking at every day and halving the days that differ."""
    probes = [*range(_start_s(year) - 1, _start_s(year + 1) - 1, DAY_S), _start_s(year + 1) - 1]
    offsets = [_offset_s(zone, probe) for probe in probes]
    found = []
    for index in range(1, len(probes)):
        if offsets[index - 1] != offsets[index]:
            at = _first_with(zone, offsets[index], probes[index - 1], probes[index])
            found.append((at, offsets[index - 1], offsets[index]))
    return tuple(found)


def _first_with(zone: dt.tzinfo, offset_s: int, low: int, high: int) -> int:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset_s(zone, middle) == offset_s else (middle, high)
    return high


def _offset_s(zone: dt.tzinfo, utc_s: int) -> int:
    local = (_EPOCH + dt.timedelta(seconds=utc_s)).astimezone(zone)
    return round((local.utcoffset() or dt.timedelta()).total_seconds())


def _start_s(year: int) -> int:
    return (dt.date(year, 1, 1) - dt.date(1970, 1, 1)).days * DAY_S
