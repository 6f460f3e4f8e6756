"""Times in a query: ISO 8601, in UTC where no offset is given, and never a bare number."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_BEGINNING = re.compile(r"\d{4}-\d\d-\d\d")


def _iso(value: object) -> object:
    if isinstance(value, str) and not _BEGINNING.match(value):
        raise ValueError("a time begins with a date in the form of 2026-11-20")
    return value


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Moment = Annotated[datetime, BeforeValidator(_iso), AfterValidator(_as_utc)]
"""A time with its offset."""
