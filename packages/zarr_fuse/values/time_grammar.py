"""One time text at a time: every accepted form that is not plain ISO 8601.

Nothing is ever completed from today's date: a text without a whole day is not a time.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from zarr_fuse.values.zones import TZINFOS

_OFFSET = r"[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?"
_ZONE = rf"(?P<zone>[Zz]|{_OFFSET}|(?:UTC|GMT)?{_OFFSET}|[A-Za-z]{{2,5}})?"
_FRACTION = r"(?:[.,](?P<f>\d+))?"
_CLOCK = re.compile(
    rf"(?P<pre>.*?)(?:(?<=\d)[Tt]|[\s,]+|^)(?P<h>\d{{1,2}}):(?P<m>\d{{2}})(?::(?P<s>\d{{2}}){_FRACTION})?"
    rf"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?(?![A-Za-z]))?(?:\s*{_ZONE}(?![A-Za-z\d]))?(?P<post>.*)",
    re.ASCII,
)
_COMPACT = re.compile(
    r"(?P<pre>\d{8}|\d{4}-\d{2}-\d{2})"
    rf"(?:(?:[Tt ]|(?<=\d{{8}}))(?P<h>\d{{2}})(?:(?P<m>\d{{2}})(?:(?P<s>\d{{2}}){_FRACTION})?)?)?"
    rf"\s*(?P<zone>[Zz]|{_OFFSET})?",
    re.ASCII,
)
_NUMERIC = re.compile(r"(\d{1,4})([-/.])\s?(\d{1,2})\2\s?(\d{1,4})", re.ASCII)
_WEEK = re.compile(r"(\d{4})-?W(\d{2})-?([1-7])", re.ASCII)
_ORDINAL = re.compile(r"(\d{4})-(\d{3})", re.ASCII)
_DIGITS = re.compile(r"(\d{8})(\d{4}(?:\d{2})?)?", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Reading:
    """Seconds and nanoseconds since 1970-01-01: of the instant if `zoned`, else of the wall clock."""

    seconds: int
    nanos: int
    zoned: bool


def read_text(text: str, *, dayfirst: bool, yearfirst: bool) -> Reading | None:
    """The time that a text means, or None if it is none."""
    text = text.strip()
    if text.isdecimal() and not _DIGITS.fullmatch(text):
        return None
    match = _COMPACT.fullmatch(text) or _CLOCK.fullmatch(text)
    if match is None:
        day = _day(text, dayfirst=dayfirst, yearfirst=yearfirst)
        return None if day is None else Reading(day * 86_400, 0, zoned=False)
    parts = match.groupdict()
    offset_s, extra = _zone_offset(parts["zone"])
    rest = f"{parts['pre']} {extra} {parts.get('post') or ''}"
    day = _day(rest.strip(" ,"), dayfirst=dayfirst, yearfirst=yearfirst)
    clock_s = _clock_s(parts)
    if day is None or clock_s is None:
        return None
    nanos = int(((parts["f"] or "") + "000000000")[:9])
    if clock_s == 86_400 and nanos:
        return None
    return Reading(day * 86_400 + clock_s - (offset_s or 0), nanos, zoned=offset_s is not None)


def _clock_s(parts: dict[str, str | None]) -> int | None:
    hour, minute, second = (int(parts[key] or 0) for key in "hms")
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    if (hour, minute, second) == (24, 0, 0):
        return 86_400
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None


def _zone_offset(zone: str | None) -> tuple[int | None, str]:
    """Seconds ahead of UTC, or None and the text that is no zone and must belong to the date."""
    if not zone:
        return None, ""
    if zone.upper() in {"Z", "UTC", "GMT"}:
        return 0, ""
    digits = re.sub(r"[^\d+-]", "", zone)
    if digits:
        numbers = digits[1:].ljust(6, "0")
        hours, minutes, seconds = (int(numbers[at : at + 2]) for at in (0, 2, 4))
        if hours >= 24 or minutes >= 60 or seconds >= 60:
            return None, zone
        span = hours * 3600 + minutes * 60 + seconds
        return (-span if digits[0] == "-" else span), ""
    if zone in TZINFOS:
        shift = TZINFOS[zone].utcoffset(None)
        return round(shift.total_seconds()), ""
    return None, zone


def _day(text: str, *, dayfirst: bool, yearfirst: bool) -> int | None:
    """Days since 1970-01-01."""
    if match := _NUMERIC.fullmatch(text):
        first, _, second, third = match.groups()
        return _numeric_day(first, second, third, dayfirst=dayfirst, yearfirst=yearfirst)
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        return _days(int(text[:4]), int(text[4:6]), int(text[6:]))
    if match := _WEEK.fullmatch(text):
        return _week_day(*map(int, match.groups()))
    if match := _ORDINAL.fullmatch(text):
        start = _days(int(match.group(1)), 1, 1)
        ordinal = int(match.group(2))
        next_year = _days(int(match.group(1)) + 1, 1, 1)
        fits = start is not None and next_year is not None and 1 <= ordinal <= next_year - start
        return start + ordinal - 1 if fits and start is not None else None
    return _named_day(text, yearfirst=yearfirst)


def _numeric_day(first: str, second: str, third: str, *, dayfirst: bool, yearfirst: bool) -> int | None:
    a, b, c = int(first), int(second), int(third)
    if len(first) == 4 and len(third) <= 2:
        return _days(a, b, c)
    day_month = [(b, a), (a, b)] if dayfirst else [(a, b), (b, a)]
    if len(third) == 4 and len(first) <= 2:
        return _first_valid([(c, month, day) for month, day in day_month])
    if len(first) > 2 or len(third) > 2:
        return None
    year_last = [(_century(c), month, day) for month, day in day_month]
    year_first = [(_century(a), b, c)]
    return _first_valid(year_first + year_last if yearfirst else year_last + year_first)


def _named_day(text: str, *, yearfirst: bool) -> int | None:
    words = [word for word in re.split(r"[\s,./-]+", text) if word]
    names = [word.lower() for word in words if word[0].isalpha()]
    months = [_month(name) for name in names if not _is_weekday(name)]
    numbers = [re.sub(r"(?i)(?<=\d)(st|nd|rd|th)$", "", word) for word in words if not word[0].isalpha()]
    if len(months) != 1 or not months[0] or len(numbers) != 2:
        return None
    if not all(re.fullmatch(r"\d{1,2}|\d{4}", number, re.ASCII) for number in numbers):
        return None
    before, after = numbers
    if len(before) == 4 or len(after) == 4:
        year, day = (before, after) if len(before) == 4 else (after, before)
        return _days(int(year), months[0], int(day)) if len(day) <= 2 else None
    between = words[0][0].isdigit() and not words[1][0].isdigit()
    year_last = (_century(int(after)), months[0], int(before))
    year_first = (_century(int(before)), months[0], int(after))
    return _first_valid([year_first, year_last] if yearfirst and between else [year_last, year_first])


def _month(name: str) -> int | None:
    if name in _MONTHS:
        return _MONTHS.index(name) + 1
    if name in _MONTH_NAMES:
        return _MONTH_NAMES.index(name) + 1
    return 9 if name == "sept" else None


def _is_weekday(name: str) -> bool:
    return len(name) >= 3 and any(day.startswith(name) for day in _DAYS)


def _century(year: int) -> int:
    return year + (1900 if year >= 69 else 2000)


def _first_valid(candidates: list[tuple[int, int, int]]) -> int | None:
    for candidate in candidates:
        day = _days(*candidate)
        if day is not None:
            return day
    return None


def _days(year: int, month: int, day: int) -> int | None:
    try:
        return (dt.date(year, month, day) - _EPOCH).days
    except ValueError:
        return None


def _week_day(year: int, week: int, day: int) -> int | None:
    try:
        return (dt.date.fromisocalendar(year, week, day) - _EPOCH).days
    except ValueError:
        return None
