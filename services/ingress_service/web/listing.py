"""Finds items in the queue by what their keys say, newest first."""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from packages.common.keys import ItemState
from packages.common.queue import Queue, QueuedItem
from services.ingress_service.errors import OverloadedError

MAX_LIST_S = 25.0
_NAME = re.compile(r"(\d{8}T\d{6})_[0-9a-f]{12}")
_STATES = tuple(ItemState)


@dataclass(frozen=True)
class Query:
    """Which items are wanted; `endpoints` None means all, also those that are no longer configured."""

    endpoints: tuple[str, ...] | None = None
    node: str | None = None
    state: ItemState | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None


def newest(queue: Queue, query: Query, count: int) -> list[QueuedItem]:
    """The `count` newest items after the cursor; an item found in two places counts for the later one.

    Only keys are read. Raises OverloadedError when the listing takes too long.
    """
    found = heapq.nlargest(count * len(_STATES), _matching(queue, query), key=_order)
    latest: dict[str, QueuedItem] = {}
    for item in found:
        known = latest.get(item.item_id)
        if known is None or _STATES.index(item.state) > _STATES.index(known.state):
            latest[item.item_id] = item
    return list(latest.values())[:count]


def received_at(item_id: str) -> datetime | None:
    """The time in an item id, in UTC; None for a foreign object."""
    stamp = _stamp(item_id)
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if stamp else None


def _matching(queue: Queue, query: Query) -> Iterator[QueuedItem]:
    after = _position(query.cursor) if query.cursor else None
    deadline = time.monotonic() + MAX_LIST_S
    for item in _listed(queue, query):
        if time.monotonic() > deadline:
            raise OverloadedError("The queue is too long to list in time; narrow by endpoint, node or state.")
        if (after is None or _order(item) < after) and _within(item.item_id, query):
            yield item


def _listed(queue: Queue, query: Query) -> Iterator[QueuedItem]:
    states = _STATES if query.state is None else (query.state,)
    endpoints: tuple[str | None, ...] = (None,) if query.endpoints is None else query.endpoints
    for state in states:
        for endpoint in endpoints:
            yield from queue.items(state, endpoint=endpoint, node=query.node)


def _within(item_id: str, query: Query) -> bool:
    if query.since is None and query.until is None:
        return True
    stamp = _stamp(item_id)
    since = f"{query.since.astimezone(UTC):%Y%m%dT%H%M%S}" if query.since else ""
    until = f"{query.until.astimezone(UTC):%Y%m%dT%H%M%S}" if query.until else "~"
    return bool(stamp) and since <= stamp < until


def _order(item: QueuedItem) -> tuple[str, str]:
    return _position(item.item_id)


def _position(item_id: str) -> tuple[str, str]:
    return _stamp(item_id), item_id


def _stamp(item_id: str) -> str:
    matched = _NAME.fullmatch(item_id.rpartition("/")[2])
    return matched[1] if matched else ""
