"""Finds items in the queue by what their keys say, newest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, groupby, islice

from packages.common.keys import ItemState
from packages.common.queue import Queue, QueuedItem
from services.ingress_service.web.items.folders import Pages, Run, Survey, explore
from services.ingress_service.web.items.positions import (
    END_OF_TIME,
    SECOND,
    name_at,
    position_at,
    position_of,
)
from services.ingress_service.web.items.windows import Nothing, descending

MAX_LIST_S = 25.0
READERS = 16
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

    Only keys are read, and few of them: docs/reference/http-api.md counts the requests. Objects without a
    time in their name come last. Raises OverloadedError when the listing takes too long.
    """
    pages = Pages(queue, MAX_LIST_S)
    with ThreadPoolExecutor(READERS, thread_name_prefix="listing") as pool:
        surveys = list(pool.map(lambda place: _survey(pages, query, *place), _places(query)))
        runs = [_run(pages, run, query) for survey in surveys for run in survey.runs.values()]
        firsts = list(pool.map(lambda run: list(islice(run, 1)), runs))
    begun = [chain(first, run) for first, run in zip(firsts, runs, strict=True)]
    merged = heapq.merge(*begun, key=_order, reverse=True)
    items = (found for found in merged if isinstance(found, QueuedItem))
    return list(islice(_latest(chain(items, _foreign(surveys, query))), count))


def selected(items: Iterable[QueuedItem], query: Query) -> list[QueuedItem]:
    """Those of some accepted items that a query asks for, newest first, without regard to its cursor."""
    since = position_at(query.since) if query.since else 0
    until = position_at(query.until) if query.until else END_OF_TIME
    found = [
        item
        for item in items
        if query.state in {None, item.state}
        and (query.endpoints is None or item.item_id.partition("/")[0] in query.endpoints)
        and (query.node is None or _is_node(item.item_id.rpartition("/")[0], query.node))
        and since <= (position_of(item.item_id) or 0) < until
    ]
    return sorted(found, key=_order, reverse=True)


def behind(item_ids: Iterable[str], cursor: str | None) -> list[str]:
    """Those of some ids that come after a cursor."""
    return [one for one in item_ids if cursor is None or _order_of(one) < _order_of(cursor)]


def _places(query: Query) -> list[tuple[ItemState, str]]:
    states = _STATES if query.state is None else (query.state,)
    endpoints = ("",) if query.endpoints is None else query.endpoints
    return [(state, endpoint) for state in states for endpoint in endpoints]


def _survey(pages: Pages, query: Query, state: ItemState, endpoint: str) -> Survey:
    """What lies below an endpoint; of all endpoints one node cannot be asked for but by looking at all."""
    if query.node is None or not endpoint:
        found = explore(pages, state, endpoint)
    else:
        found = explore(pages, state, f"{endpoint}/{query.node}".rstrip("/"), exactly=True)
    if query.node is not None:
        found.runs = {name: run for name, run in found.runs.items() if _is_node(name, query.node)}
        found.foreign = [
            item for item in found.foreign if _is_node(item.item_id.rpartition("/")[0], query.node)
        ]
    return found


def _is_node(folder: str, node: str) -> bool:
    return folder.partition("/")[2] == node


def _run(pages: Pages, run: Run, query: Query) -> Iterator[QueuedItem | Nothing]:
    since = position_at(query.since) if query.since else 0
    until = position_at(query.until) if query.until else END_OF_TIME
    return descending(pages, run, since, min(until, _before_cursor(run.folder, query.cursor)))


def _before_cursor(folder: str, cursor: str | None) -> int:
    """The first place of a folder that does not come after the cursor; ids order the items of one second."""
    if cursor is None:
        return END_OF_TIME
    position = position_of(cursor)
    if position is None:
        return 0
    if cursor.rpartition("/")[0] == folder:
        return position
    second = position // SECOND * SECOND
    return second + SECOND if f"{folder}/{name_at(second)}" < cursor else second


def _foreign(surveys: Sequence[Survey], query: Query) -> Iterator[QueuedItem]:
    if query.since is not None or query.until is not None:
        return
    among = query.cursor is not None and position_of(query.cursor) is None
    for item in sorted(chain.from_iterable(survey.foreign for survey in surveys), key=_order, reverse=True):
        if not among or item.item_id < (query.cursor or ""):
            yield item


def _latest(items: Iterator[QueuedItem]) -> Iterator[QueuedItem]:
    for _, places in groupby(items, key=lambda item: item.item_id):
        yield max(places, key=lambda item: _STATES.index(item.state))


def _order(item: QueuedItem | Nothing) -> tuple[int, str]:
    """Seconds first, then the id."""
    if isinstance(item, Nothing):
        return item.position // SECOND + 1, ""
    return _order_of(item.item_id)


def _order_of(item_id: str) -> tuple[int, str]:
    position = position_of(item_id)
    return (-1 if position is None else position // SECOND), item_id
