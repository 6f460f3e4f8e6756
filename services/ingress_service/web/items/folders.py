"""Which folders of the queue hold items, found without reading the large ones to their end.

A listing comes in key order, a page of a thousand keys at a time. Where a page ends among the items of a
folder, the rest of them is skipped: their names are times, so the next page begins behind all of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from packages.common.keys import ItemState, parse_key
from packages.common.queue import Queue, QueuedItem
from services.ingress_service.errors import OverloadedError
from services.ingress_service.web.items.positions import (
    END_OF_TIME,
    SECOND,
    name_at,
    position_at,
    position_of,
)

PAGE_KEYS = 1000
KEPT_ITEMS = 20_000
FOREIGN_KEPT = 10_000
LEAP = timedelta(days=1)
YEAR = 366 * 24 * 3600 * SECOND


class Pages:
    """Reads the queue page by page until a deadline; raises OverloadedError behind it."""

    def __init__(self, queue: Queue, max_s: float) -> None:
        self._storage = queue.storage
        self._deadline = time.monotonic() + max_s

    def read(self, state: ItemState, folder: str, after: str) -> tuple[list[QueuedItem], str | None]:
        """Items below `folder` behind the id `after`, and the last id where there may be more."""
        if time.monotonic() > self._deadline:
            raise OverloadedError("The queue is too long to list in time; narrow by endpoint, node or state.")
        prefix = f"{state}/{folder}/" if folder else f"{state}/"
        found = list(islice(self._storage.list(prefix, f"{state}/{after}" if after else None), PAGE_KEYS))
        items = []
        for info in found:
            parts = parse_key(info.key)
            if parts is not None and not parts.is_metadata:
                items.append(QueuedItem(parts.item_id, parts.extension, state, info.size_bytes))
        return items, found[-1].key.partition("/")[2] if len(found) == PAGE_KEYS else None


@dataclass
class Run:
    """The items of one folder in one state; `known` holds all of them unless the folder is `large`."""

    state: ItemState
    folder: str
    first: int
    known: list[QueuedItem] = field(default_factory=list)
    large: bool = False
    density: float = 0.0
    end: int = END_OF_TIME

    def note(self, item: QueuedItem, position: int) -> None:
        """Take in an item that a page has shown."""
        self.known.append(item)
        if position > self.first:
            self.density = len(self.known) / (position - self.first)


@dataclass
class Survey:
    """What an exploration has found: runs by folder, and objects that no service has named."""

    state: ItemState
    runs: dict[str, Run] = field(default_factory=dict)
    foreign: list[QueuedItem] = field(default_factory=list)
    kept: int = 0

    def note(self, item: QueuedItem) -> None:
        """Take in an item; large folders keep none."""
        folder, position = item.item_id.rpartition("/")[0], position_of(item.item_id)
        if position is None or not folder:
            self.foreign += [item] if len(self.foreign) < FOREIGN_KEPT else []
            return
        run = self.runs.setdefault(folder, Run(self.state, folder, position))
        if run.large:
            run.end = END_OF_TIME if position >= run.end else run.end
        elif self.kept >= KEPT_ITEMS:
            self.outgrow(run, END_OF_TIME)
        else:
            run.note(item, position)
            self.kept += 1

    def outgrow(self, run: Run, end: int) -> None:
        """Hold the items of a folder no longer: there are too many; none lies behind `end`."""
        self.kept -= len(run.known)
        run.large, run.end, run.known = True, end, []


def explore(pages: Pages, state: ItemState, root: str, *, exactly: bool = False) -> Survey:
    """The folders below `root`, or only `root` itself.

    One request a page of small folders, and one for each large folder. A large folder's subfolder whose
    name reads as the beginning of a time (`2026`) is found only where it is asked for.
    """
    survey = Survey(state)
    after: str | None = ""
    while after is not None:
        items, last = pages.read(state, root, after)
        for item in items:
            if not exactly or item.item_id.rpartition("/")[0] == root:
                survey.note(item)
        after = _behind(survey, last, root if exactly else None) if last is not None else None
    return survey


def _behind(survey: Survey, last: str, only: str | None) -> str:
    """Where to read on after a page that ends with the object `last` (an id and its extension)."""
    folder, _, name = last.rpartition("/")
    if only is not None and folder != only:
        return behind_subfolder(last, only)
    run, position = survey.runs.get(folder), position_of(name.partition(".")[0])
    if position is None or run is None:
        return last
    soon = position_at(datetime.now(UTC) + LEAP)
    survey.outgrow(run, soon if position < soon else END_OF_TIME)
    return f"{folder}/{name_at(soon if position < soon else position + YEAR)}"


def behind_subfolder(last: str, folder: str) -> str:
    """The place behind everything in the subfolder of `folder` that holds `last`."""
    return f"{folder}/{last[len(folder) + 1 :].partition('/')[0]}0"
