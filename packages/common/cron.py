"""Schedules in the five fields of cron: minute, hour, day of month, month, day of week."""

from __future__ import annotations

import re

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 7, WEEKDAYS),
)
_PART = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([1-9][0-9]*))?")


def checked_cron(text: str) -> str:
    """The schedule with single blanks and in lower case; `ValueError` says which field is wrong."""
    fields = text.lower().split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"a schedule has five fields (minute hour day month weekday), not {len(fields)}")
    for field, (name, lowest, highest, words) in zip(fields, FIELDS, strict=True):
        if not all(_is_part(part, lowest, highest, words) for part in field.split(",")):
            raise ValueError(f"{field!r} is no {name} ({lowest} to {highest})")
    return " ".join(fields)


def _is_part(part: str, lowest: int, highest: int, words: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None:
        return False
    ends = [_number(end, lowest, words) for end in match.groups()[:2] if end is not None]
    return all(end is not None and lowest <= end <= highest for end in ends) and ends == sorted(
        ends, key=lambda end: end or 0
    )


def _number(end: str, lowest: int, words: tuple[str, ...]) -> int | None:
    if end in words:
        return words.index(end) + lowest
    return int(end) if end.isdigit() else None


def weekdays(field: str) -> list[str]:
    """The names of the days that a checked weekday field holds, from Sunday, as cron counts them."""
    numbers = {number % 7 for part in field.split(",") for number in _days(part)}
    return [WEEKDAYS[number] for number in sorted(numbers)]


def _days(part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is no day of the week")
    first, last, step = match.groups()
    start = 0 if first is None else _number(first, 0, WEEKDAYS) or 0
    end = _number(last, 0, WEEKDAYS) or 0 if last else start
    return range(start, (6 if first is None or (step and not last) else end) + 1, int(step or 1))
