"""One page of items, newest first, with what their metadata says."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from packages.common.errors import MetadataError
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue, QueuedItem
from services.extractor_service.items import received_at

PAGE_ITEMS = 100
LISTED_ITEMS = 10_000
"""Only so many items of a selection are put in order; about 20 requests to S3."""
READERS = 16


@dataclass(frozen=True)
class Row:
    """One item as it is shown; everything in it may come from outside and is text."""

    item_id: str
    size_bytes: int
    received_at: datetime | None
    username: str = ""
    attempts: int = 0
    kind: str = ""
    reason: str = ""
    place: str = ""


@dataclass(frozen=True)
class Page:
    """Some rows of a selection; `is_cut` where the selection is longer than what was put in order."""

    rows: list[Row]
    number: int
    count: int
    is_cut: bool

    @property
    def last_number(self) -> int:
        """The number of the last page; the first is 1."""
        return max(1, -(-self.count // PAGE_ITEMS))

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """Kinds of reasons on this page, the most frequent first."""
        return Counter(row.kind for row in self.rows if row.kind).most_common()


def page_of(queue: Queue, state: ItemState, endpoint: str | None, number: int) -> Page:
    """One page of the items in a state, of all endpoints or one."""
    listed = list(islice(queue.items(state, endpoint=endpoint), LISTED_ITEMS + 1))
    is_cut, listed = len(listed) > LISTED_ITEMS, listed[:LISTED_ITEMS]
    number = min(max(1, number), max(1, -(-len(listed) // PAGE_ITEMS)))
    newest = heapq.nlargest(number * PAGE_ITEMS, listed, key=_age)
    shown = newest[(number - 1) * PAGE_ITEMS :]
    return Page(rows_of(queue, shown), number, len(listed), is_cut)


def rows_of(queue: Queue, items: Sequence[QueuedItem]) -> list[Row]:
    """Read what there is to say about items."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="queue-page") as pool:
        return list(pool.map(lambda item: _row(queue, item), items))


def _age(item: QueuedItem) -> tuple[str, str]:
    return item.item_id.rpartition("/")[2], item.item_id


def _row(queue: Queue, item: QueuedItem) -> Row:
    received = received_at(item.item_id)
    try:
        metadata = queue.metadata(item)
    except MetadataError as error:
        return Row(item.item_id, item.size_bytes, received, kind=error.kind, reason=str(error))
    if metadata is None:
        return Row(item.item_id, item.size_bytes, received, kind="foreign", reason="it has no metadata")
    kind, reason, place = _reason(metadata)
    return Row(
        item_id=item.item_id,
        size_bytes=item.size_bytes,
        received_at=metadata.received_at,
        username=metadata.username or "",
        attempts=metadata.attempts,
        kind=kind,
        reason=reason,
        place=place,
    )


def _reason(metadata: ItemMetadata) -> tuple[str, str, str]:
    """Kind, reason and place: of a failure, of a retry, or of what a merged item lost."""
    outcome = metadata.outcome
    if outcome is not None and outcome.error is not None:
        error = outcome.error
        named = {"row": error.row, "column": error.column, "value": error.value}
        place = ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
        return error.kind, error.message, place
    if metadata.retry_at is not None:
        return "retry", f"tried again after {metadata.retry_at:%Y-%m-%d %H:%M:%S} UTC", ""
    if outcome is not None and outcome.rejected_counts:
        counts = ", ".join(f"{count} {kind}" for kind, count in outcome.rejected_counts.items())
        return "left out", counts, ""
    rows = outcome.rows if outcome is not None else None
    return "", "" if rows is None else f"{rows:,} row{'' if rows == 1 else 's'}", ""
