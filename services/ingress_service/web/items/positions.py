"""The order of items by time, as numbers: what a name in the queue means, and the name at a place in time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNIQUE_BITS = 48
"""An item id ends in 12 hex digits; they order the items of one second."""
SECOND = 1 << UNIQUE_BITS
END_OF_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) << UNIQUE_BITS
_STAMP = "%Y%m%dT%H%M%S"
_NAME = re.compile(r"(\d{8}T\d{6})_([0-9a-f]{12})")


def received_at(item_id: str) -> datetime | None:
    """The time in an item id, in UTC; None for a foreign object."""
    matched = _NAME.fullmatch(item_id.rpartition("/")[2])
    if matched is None:
        return None
    try:
        return datetime.strptime(matched[1], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def position_of(item_id: str) -> int | None:
    """The place of an item among those of its folder; None for a foreign object."""
    moment = received_at(item_id)
    if moment is None:
        return None
    return position_at(moment) + int(item_id[-12:], 16)


def position_at(moment: datetime) -> int:
    """The first place in a second."""
    return max(int(moment.timestamp()), 0) << UNIQUE_BITS


def name_at(position: int) -> str:
    """The name of an item at a place; names sort as places do."""
    seconds, unique = divmod(min(max(position, 0), END_OF_TIME), SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):{_STAMP}}_{unique:012x}"
