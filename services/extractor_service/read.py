"""Gets payloads and metadata from the queue, several at once, in the order of the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial

import structlog

from packages.common.errors import IngressError, ItemNotFoundError, ObjectMissingError
from packages.common.in_order import in_order
from packages.common.queue import Queue
from services.extractor_service.errors import ForeignPayloadError, PayloadDamagedError
from services.extractor_service.items import Content, PlannedItem, Verdict, VerdictKind, failure

log = structlog.get_logger(__name__)


def read(queue: Queue, items: Iterable[PlannedItem], max_bytes: int) -> Iterator[Content | Verdict]:
    """Yield the content of each item in order; about `max_bytes` of payloads, and one more, wait in memory.

    An item that is no longer accepted is `gone`; one that cannot be read gets its verdict here.
    """
    return in_order(
        partial(read_item, queue),
        items,
        bundle=queue.storage.bundle,
        size_of=lambda item: item.size_bytes,
        max_bytes=max_bytes,
    )


def read_item(queue: Queue, item: PlannedItem) -> Content | Verdict:
    """Read one item."""
    try:
        return _content(queue, item)
    except (ItemNotFoundError, ObjectMissingError):
        return Verdict(item, VerdictKind.GONE)
    except Exception as error:
        log.warning("item cannot be read", item_id=item.item_id, exc_info=not isinstance(error, IngressError))
        return failure(item, None, error)


def _content(queue: Queue, item: PlannedItem) -> Content | Verdict:
    payload = queue.payload(item.queued)
    metadata = queue.metadata(item.queued)
    if metadata is None:
        raise ForeignPayloadError("the payload has no metadata: nobody accepted it")
    if not item.is_that_of(metadata):
        return Verdict(item, VerdictKind.GONE)
    if metadata.sha256 and hashlib.sha256(payload).hexdigest() != metadata.sha256:
        raise PayloadDamagedError("the payload's SHA-256 is not the one recorded when it was accepted")
    return Content(item, metadata, payload)
