"""Brings items back to `accepted`, so that the next sweep takes them again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import islice

import structlog
from pydantic import BaseModel, ConfigDict, Field

from packages.common.errors import ItemBusyError, ItemNotFoundError
from packages.common.keys import ItemState
from packages.common.models.metadata_model import UtcTime
from packages.common.queue import Queue, QueuedItem
from packages.common.settings import Settings
from services.extractor_service.items import received_at
from services.extractor_service.places import open_queue

MOVERS = 8  # items moved at once, each several requests

log = structlog.get_logger(__name__)


class Choice(BaseModel):
    """Which items; all conditions hold together. `since` and `until` are times of reception in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: ItemState = ItemState.FAILED
    endpoint: str | None = None
    since: UtcTime | None = None
    until: UtcTime | None = None
    item_ids: list[str] = Field(default_factory=list)
    limit: int = Field(1000, ge=1)


def requeue(settings: Settings, choice: Choice, *, dry_run: bool = False) -> list[str]:
    """Move the chosen items to `accepted` with no attempts and no outcome; their ids.

    An item that is gone, or that a sweep is moving just now, is left out.
    """
    queue = open_queue(settings)
    items = list(islice(chosen(queue, choice), choice.limit))
    if dry_run:
        return [item.item_id for item in items]
    with ThreadPoolExecutor(MOVERS, thread_name_prefix="requeue") as pool:
        done = list(pool.map(partial(_requeued, queue), items))
    return [item.item_id for item, is_done in zip(items, done, strict=True) if is_done]


def chosen(queue: Queue, choice: Choice) -> Iterator[QueuedItem]:
    """The items that meet all conditions."""
    for item in _candidates(queue, choice):
        if _is_between(received_at(item.item_id), choice.since, choice.until):
            yield item


def _candidates(queue: Queue, choice: Choice) -> Iterator[QueuedItem]:
    if not choice.item_ids:
        yield from queue.items(choice.state, endpoint=choice.endpoint)
        return
    for item_id in dict.fromkeys(choice.item_ids):
        item = queue.find(item_id)
        is_there = item is not None and item.state is choice.state
        if item is not None and is_there and choice.endpoint in {None, item_id.partition("/")[0]}:
            yield item


def _is_between(time: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    if time is None:
        return since is None and until is None
    return (since is None or time >= since) and (until is None or time < until)


def _requeued(queue: Queue, item: QueuedItem) -> bool:
    try:
        queue.requeue(item)
    except (ItemNotFoundError, ItemBusyError) as error:
        log.info("item is not requeued", item_id=item.item_id, reason=str(error))
        return False
    return True
