"""Finds out what was accepted, and which stores it goes to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import NamedTuple

from packages.common.errors import IngressError, MetadataError
from packages.common.in_order import in_order
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.models.treatment_model import OnBadRows
from packages.common.queue import Queue, QueuedItem
from packages.common.settings import Settings
from services.extractor_service.errors import ForeignPayloadError, item_error
from services.extractor_service.items import PlannedItem, StorePlan
from services.extractor_service.outcomes import BACK_OFF
from services.extractor_service.places import open_queue
from services.extractor_service.targets import Targets


class Examined(NamedTuple):
    """What the queue says about an accepted item: its metadata, or why it has none that can be read."""

    item: QueuedItem
    metadata: ItemMetadata | None = None
    error: IngressError | None = None
    left_as: ItemState | None = None

    def waits(self, now: datetime) -> bool:
        """Whether its time has not come; one far beyond any back-off was set by a clock that was wrong."""
        retry_at = self.metadata.retry_at if self.metadata else None
        return retry_at is not None and now < retry_at <= now + 2 * BACK_OFF[-1]


class Placed(NamedTuple):
    """An item with the store and schema it belongs to; both are `""` where it has none."""

    store_url: str
    schema_file: str
    item: PlannedItem


def plan(
    settings: Settings, *, endpoints: Sequence[str] | None = None, now: datetime | None = None
) -> list[StorePlan]:
    """Plan one sweep: a part for each store that something goes to, one for the items that have none.

    Items wait until their `retry_at` is over. What is known of one is forgotten at once: the plan stays small
    however many there are.

    Raises:
        ConfigurationError: the configuration cannot be read.
        StorageError: the queue cannot be listed.
    """
    queue, targets, at = open_queue(settings), Targets(settings), now or datetime.now(UTC)
    seen, parts = Counter[str](), defaultdict[str, Counter[str]](Counter)
    for one in in_order(partial(examine, queue), listed(queue, endpoints), bundle=queue.storage.bundle):
        endpoint = endpoint_of(one.item)
        seen[endpoint] += 1
        if not one.waits(at):
            parts[place(targets, one).store_url][endpoint] += 1
    return [
        StorePlan(store_url=url, size=part.total(), endpoints={name: seen[name] for name in part})
        for url, part in sorted(parts.items())
    ]


def waiting(queue: Queue, endpoints: Sequence[str] | None = None) -> dict[str, int]:
    """How many payloads are accepted, by endpoint."""
    return dict(Counter(endpoint_of(item) for item in listed(queue, endpoints)))


def accepted(queue: Queue, sizes: Mapping[str, int]) -> Iterator[QueuedItem]:
    """The accepted payloads in key order, of each endpoint no more than it held when they were counted.

    So one that is filled faster than it is emptied keeps no other waiting.
    """
    for endpoint in sorted(sizes, key=lambda name: f"{name}/" if name else ""):
        yield from islice(of_endpoint(queue, endpoint), sizes[endpoint])


def listed(queue: Queue, endpoints: Sequence[str] | None) -> Iterator[QueuedItem]:
    """All accepted payloads, or those of some endpoints."""
    if not endpoints:
        yield from queue.items(ItemState.ACCEPTED)
        return
    for endpoint in sorted(set(endpoints)):
        yield from of_endpoint(queue, endpoint)


def of_endpoint(queue: Queue, endpoint: str) -> Iterator[QueuedItem]:
    """The accepted payloads of one endpoint; `""` means those that lie in none."""
    if endpoint:
        return queue.items(ItemState.ACCEPTED, endpoint=endpoint)
    return queue.items(ItemState.ACCEPTED, node="")


def endpoint_of(item: QueuedItem) -> str:
    """The endpoint an item came by; `""` for an object that lies in none."""
    endpoint, slash, _ = item.item_id.partition("/")
    return endpoint if slash else ""


def examine(queue: Queue, item: QueuedItem) -> Examined:
    """Read an item's metadata."""
    try:
        metadata = queue.metadata(item)
    except MetadataError as error:
        return Examined(item, error=error)
    if metadata is None:
        return Examined(item, error=ForeignPayloadError("the payload has no metadata: nobody accepted it"))
    return Examined(item, metadata)


def place(targets: Targets, examined: Examined) -> Placed:
    """Find the store, schema and node of an item; an item that has none is planned with the reason."""
    if examined.metadata is None:
        return Placed("", "", _planned(examined, error=examined.error))
    try:
        target = targets.target(examined.metadata)
    except IngressError as error:
        return Placed("", "", _planned(examined, error=error))
    item = _planned(examined, node=target.node, on_bad_rows=target.on_bad_rows)
    return Placed(target.store_url, target.schema_file, item)


def _planned(
    examined: Examined,
    *,
    node: str = "",
    on_bad_rows: OnBadRows = "report",
    error: IngressError | None = None,
) -> PlannedItem:
    item, metadata = examined.item, examined.metadata
    return PlannedItem(
        item.item_id,
        item.extension,
        item.size_bytes,
        node,
        on_bad_rows,
        error=item_error(error) if error else None,
        left_as=examined.left_as,
        requeued=metadata.requeued if metadata else 0,
        generation=metadata.generation if metadata else 1,
    )
