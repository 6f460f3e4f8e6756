"""Reads the items of one folder newest first, though the storage lists them oldest first.

Names are times: what lies between two of them is one listing that begins behind the first. Spans are as
wide as the items lie apart, so that each holds less than a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from packages.common.queue import QueuedItem
from services.ingress_service.web.items.folders import PAGE_KEYS, Pages, Run, behind_subfolder
from services.ingress_service.web.items.positions import (
    END_OF_TIME,
    SECOND,
    name_at,
    position_at,
    position_of,
)

WANTED = 300
"""Items wanted of a page, which holds five hundred: a full page has to be read again in part."""
WANTED_FIRST = 100
"""What lies nearest to now is often denser than what the folder begins with."""
FIRST_SPAN = 3600 * SECOND
WIDER = 8


class Nothing(NamedTuple):
    """Says that no further item of a folder lies at or behind a place; so nobody reads on without need."""

    position: int


def descending(pages: Pages, run: Run, bottom: int, top: int) -> Iterator[QueuedItem | Nothing]:
    """The items of a run from `top` (exclusive) down to `bottom`, newest first, one request at a time."""
    if run.large:
        return _spans(pages, run, max(bottom, run.first), min(top, run.end))
    chosen = [item for item in run.known if bottom <= _place(item.item_id) < top]
    return iter(sorted(chosen, reverse=True))


def _spans(pages: Pages, run: Run, bottom: int, top: int) -> Iterator[QueuedItem | Nothing]:
    """Spans from the top down; `floor` is a place known to have items behind it, which no span passes."""
    width = int(WANTED_FIRST / run.density) + 1 if run.density else FIRST_SPAN
    start = top if run.end == END_OF_TIME else min(top, position_at(datetime.now(UTC)))
    floor = bottom
    while top > bottom:
        low = max(min(start, top) - width, floor)
        items, reached = _span(pages, run, low, top)
        if reached is not None:
            start = top if width == 1 else start
            width, floor = _narrower(width, reached - low), max(floor, min(reached, top - 1))
            continue
        yield from reversed(items)
        yield Nothing(low)
        top, floor = low, floor if low > floor else bottom
        width = int(width * min(max(WANTED / max(len(items), 1), 0.5), WIDER)) + 1
        width = min(width, (top - floor) // 2 + 1) if floor > bottom else width


def _narrower(width: int, read: int) -> int:
    """At most half the width, and what the page that was full lets expect."""
    return max(min(width // 2, read * WANTED * 2 // PAGE_KEYS or width // 2), 1)


def _span(pages: Pages, run: Run, low: int, top: int) -> tuple[list[QueuedItem], int | None]:
    """The items of a span, and where the page ended if that was before the end of the span."""
    after, end = (f"{run.folder}/{name_at(position)}" for position in (low, top))
    found: list[QueuedItem] = []
    while True:
        items, last = pages.read(run.state, run.folder, after)
        found += [item for item in items if _belongs(item, run.folder, low, top)]
        if last is None or last >= end:
            return found, None
        if last.rpartition("/")[0] == run.folder:
            return found, _place(last.partition(".")[0]) or low
        after = behind_subfolder(last, run.folder)


def _belongs(item: QueuedItem, folder: str, low: int, top: int) -> bool:
    return item.item_id.rpartition("/")[0] == folder and low <= _place(item.item_id) < top


def _place(item_id: str) -> int:
    position = position_of(item_id)
    return -1 if position is None else position
