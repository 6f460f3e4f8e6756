"""How many items wait, and since when: counted in the background, never because somebody asks."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from packages.common.keys import ItemState
from packages.common.queue import Queue
from packages.common.wording import counted
from services.ingress_service.errors import QueueFullError
from services.ingress_service.web.items.positions import received_at
from zarr_fuse.undoing import undone_on_error

COUNTED_ITEMS = 200_000
"""Where one count ends, unless the limit of the queue is higher: two hundred thousand are 400 requests."""
OTHER = "other"
"""Stands for all endpoints that are not configured, so that metrics have as many labels as endpoints."""
COUNTED_STATES = (ItemState.ACCEPTED, ItemState.FAILED)


@dataclass
class Count:
    """What one listing of a state has found; `capped` where there were more."""

    items: Counter[str] = field(default_factory=Counter)
    oldest: datetime | None = None
    capped: bool = False


class QueueDepth:
    """The last count, and what this process has accepted since."""

    def __init__(self, queue: Queue, endpoints: Collection[str], max_items: int | None = None) -> None:
        self._queue = queue
        self._endpoints = frozenset(endpoints)
        self._max_items = max_items
        self._lock = threading.Lock()
        self._since: Counter[str] = Counter()
        self._oldest_since: datetime | None = None
        self.counts: dict[ItemState, Count] = {}
        self.counted_at: datetime | None = None

    def count(self, stop: threading.Event) -> None:
        """List what waits and what has failed; raises a StorageError and keeps the last count then."""
        began = datetime.now(UTC)
        with self._lock:
            self._since, before = Counter(), self._since
        with undone_on_error(lambda: self._count_again(before)):
            counts = {state: self._listed(state, stop) for state in COUNTED_STATES}
        if not stop.is_set():
            self.counts, self.counted_at, self._oldest_since = counts, began, None

    def _count_again(self, accepted: Counter[str]) -> None:
        with self._lock:
            self._since += accepted

    def _listed(self, state: ItemState, stop: threading.Event) -> Count:
        count, limit = Count(), max(COUNTED_ITEMS, self._max_items or 0)
        for number, item in enumerate(islice(self._queue.items(state), limit)):
            count.items[self.label(item.item_id.partition("/")[0])] += 1
            moment = received_at(item.item_id)
            if moment is not None and (count.oldest is None or moment < count.oldest):
                count.oldest = moment
            count.capped = number + 1 == limit
            if stop.is_set():
                break
        return count

    def label(self, endpoint: str) -> str:
        """The endpoint as a label: its name if it is configured."""
        return endpoint if endpoint in self._endpoints else OTHER

    def accepted(self, endpoint: str) -> None:
        """Note an item that this process has just stored."""
        with self._lock:
            self._since[self.label(endpoint)] += 1
            self._oldest_since = self._oldest_since or datetime.now(UTC)

    def require_room(self) -> None:
        """Raise QueueFullError where the queue holds as many items as its limit allows."""
        if self._max_items is not None and (waiting := self.waiting) >= self._max_items:
            wait = counted(waiting, "item waits", "items wait")
            raise QueueFullError(f"{wait} to be merged; the queue takes no more for now.")

    @property
    def full(self) -> bool:
        """Whether uploads are refused because of the limit."""
        return self._max_items is not None and self.waiting >= self._max_items

    @property
    def waiting(self) -> int:
        """Items that wait, as far as they have been counted."""
        counted = self.counts.get(ItemState.ACCEPTED, Count())
        return counted.items.total() + self._since.total()

    def items(self, state: ItemState, label: str) -> float:
        """Items of an endpoint in a state, as a metric: NaN before the first count."""
        if state not in self.counts:
            return math.nan
        since = self._since[label] if state is ItemState.ACCEPTED else 0
        return self.counts[state].items[label] + since

    @property
    def oldest(self) -> datetime | None:
        """When the oldest item that waits was received."""
        counted = self.counts.get(ItemState.ACCEPTED, Count())
        return counted.oldest or self._oldest_since

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest item waits, in seconds; 0 where none does, NaN before the first count."""
        if self.counted_at is None:
            return math.nan
        oldest = self.oldest
        return max((datetime.now(UTC) - oldest).total_seconds(), 0.0) if oldest is not None else 0.0

    def describe(self) -> str:
        """The state of the queue in a few words."""
        if self.counted_at is None:
            return "not counted yet"
        if not self.waiting:
            return "nothing waits"
        age = f"{self.oldest_age_s:.0f} s"
        if self.waiting == 1:
            return f"1 item waits, for {age} by now"
        more = " or more" if self.counts[ItemState.ACCEPTED].capped else ""
        return f"{self.waiting}{more} items wait, the oldest for {age}"
