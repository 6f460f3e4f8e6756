"""Lists what was accepted and sorts it by store, schema, node and key."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from packages.common.errors import IngressError, MetadataError
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue, QueuedItem
from packages.common.queue_places import is_left_in
from packages.common.settings import Settings
from services.extractor_service.errors import ForeignPayloadError, item_error
from services.extractor_service.items import PlannedItem, SchemaPlan, StorePlan
from services.extractor_service.places import open_queue
from services.extractor_service.targets import Targets

AHEAD_ITEMS = 256
READERS = 16  # one item is two requests, about 20 ms each on S3


class Examined(NamedTuple):
    """What the queue says about an accepted item: its metadata, or why it has none that can be read."""

    item: QueuedItem
    metadata: ItemMetadata | None = None
    left_as: ItemState | None = None
    error: IngressError | None = None


class Placed(NamedTuple):
    """An item with the store and schema it belongs to; both are `""` where it needs no store."""

    store_url: str
    schema_file: str
    item: PlannedItem


def plan(
    settings: Settings, *, endpoints: Sequence[str] | None = None, now: datetime | None = None
) -> list[StorePlan]:
    """Plan one sweep: a part for each store, and one for the items that need none.

    Items wait until their `retry_at` is over. Foreign payloads, items whose schema cannot be read and those
    that an interrupted sweep has moved already are planned without a store.

    Raises:
        ConfigurationError: the configuration cannot be read.
        StorageError: the queue cannot be listed.
    """
    queue, targets, at = open_queue(settings), Targets(settings), now or datetime.now(UTC)
    found = examined(queue, accepted(queue, endpoints))
    return by_store(place(targets, one) for one in found if not _waits(one, at))


def accepted(queue: Queue, endpoints: Sequence[str] | None) -> Iterator[QueuedItem]:
    """All accepted payloads in key order, or those of some endpoints."""
    if not endpoints:
        yield from queue.items(ItemState.ACCEPTED)
        return
    for endpoint in sorted(set(endpoints)):
        yield from queue.items(ItemState.ACCEPTED, endpoint=endpoint)


def examined(queue: Queue, items: Iterable[QueuedItem]) -> Iterator[Examined]:
    """Examine items, several at once, in their order; what is found out is kept for a few of them only."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="plan") as pool:
        ahead: deque[Future[Examined]] = deque()
        for item in items:
            if len(ahead) == AHEAD_ITEMS:
                yield ahead.popleft().result()
            ahead.append(pool.submit(examine, queue, item))
        while ahead:
            yield ahead.popleft().result()


def examine(queue: Queue, item: QueuedItem) -> Examined:
    """Read an item's metadata, and see whether an interrupted sweep has given it up already."""
    try:
        metadata = queue.metadata(item)
    except MetadataError as error:
        return Examined(item, error=error)
    if metadata is None:
        return Examined(item, error=ForeignPayloadError("the payload has no metadata: nobody accepted it"))
    has_failed = is_left_in(queue.storage, item, metadata, ItemState.FAILED)  # the ledger tells of processed
    return Examined(item, metadata, left_as=ItemState.FAILED if has_failed else None)


def place(targets: Targets, examined: Examined) -> Placed:
    """Find the store, schema and node of an item; an item that has none is planned with the reason."""
    planned = PlannedItem(
        item_id=examined.item.item_id,
        extension=examined.item.extension,
        size_bytes=examined.item.size_bytes,
        left_as=examined.left_as,
        requeued=examined.metadata.requeued if examined.metadata else 0,
        generation=examined.metadata.generation if examined.metadata else 1,
        error=item_error(examined.error) if examined.error else None,
    )
    if examined.metadata is None or examined.left_as:
        return Placed("", "", planned)
    try:
        target = targets.target(examined.metadata)
    except IngressError as error:
        return Placed("", "", planned.model_copy(update={"error": item_error(error)}))
    update = {"node": target.node, "on_bad_rows": target.on_bad_rows}
    return Placed(target.store_url, target.schema_file, planned.model_copy(update=update))


def by_store(placed: Iterable[Placed]) -> list[StorePlan]:
    """Group items by store and schema; within a schema by node, each node's in key order."""
    ordered = sorted(
        placed, key=lambda one: (one.store_url, one.schema_file, one.item.node, one.item.item_id)
    )
    return [
        StorePlan(
            store_url=store_url,
            schemas=[
                SchemaPlan(schema_file=schema_file, items=[one.item for one in of_schema])
                for schema_file, of_schema in groupby(of_store, key=lambda one: one.schema_file)
            ],
        )
        for store_url, of_store in groupby(ordered, key=lambda one: one.store_url)
    ]


def _waits(examined: Examined, now: datetime) -> bool:
    retry_at = examined.metadata.retry_at if examined.metadata else None
    return retry_at is not None and retry_at > now
