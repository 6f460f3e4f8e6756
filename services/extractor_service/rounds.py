"""Takes accepted items up, some at a time, so that a long queue needs no more memory than a short one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby, islice

from packages.common.in_order import in_order
from packages.common.keys import ItemState
from packages.common.queue import Queue, QueuedItem
from packages.common.queue_places import is_left_in
from services.extractor_service.items import Group
from services.extractor_service.merge import BATCH_ITEMS
from services.extractor_service.plan import Examined, Placed, examine, place
from services.extractor_service.targets import Targets

ROUND_ITEMS = BATCH_ITEMS


@dataclass(frozen=True)
class Round:
    """Items that are worked on before others are looked at; the rest of those looked at is passed over."""

    groups: list[Group]
    passed_over: int


def rounds(
    queue: Queue, targets: Targets, items: Iterable[QueuedItem], store_url: str | None = None
) -> Iterator[Round]:
    """Take items up in their order, all or those of one store; the next round is looked at after this one.

    The rounds of a queue in key order hold each node's items in key order. Items whose `retry_at` is not over
    are passed over.
    """
    found = in_order(partial(examine_places, queue), items, bundle=queue.storage.bundle)
    placed = (_placed(targets, one) for one in found)
    while part := list(islice(placed, ROUND_ITEMS)):
        taken = [one for one in part if one is not None and store_url in {None, one.store_url}]
        yield Round(grouped(taken), len(part) - len(taken))


def examine_places(queue: Queue, item: QueuedItem) -> Examined:
    """Read an item's metadata, and see whether an interrupted sweep has given it up already."""
    found = examine(queue, item)
    if found.metadata is None or not is_left_in(queue.storage, item, found.metadata, ItemState.FAILED):
        return found  # the ledger tells of processed
    return found._replace(left_as=ItemState.FAILED)


def grouped(placed: Sequence[Placed]) -> list[Group]:
    """Sort items by store, schema, node and key, and part them by store and schema."""
    ordered = sorted(
        placed, key=lambda one: (one.store_url, one.schema_file, one.item.node, one.item.item_id)
    )
    parts = groupby(ordered, key=lambda one: (one.store_url, one.schema_file))
    return [Group(*place, [one.item for one in part]) for place, part in parts]


def _placed(targets: Targets, examined: Examined) -> Placed | None:
    return None if examined.waits(datetime.now(UTC)) else place(targets, examined)
