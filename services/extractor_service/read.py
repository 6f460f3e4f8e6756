"""Gets payloads and metadata from the queue, several at once, in the order of the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import structlog

from packages.common.errors import IngressError, ItemNotFoundError, ObjectMissingError
from packages.common.queue import Queue
from services.extractor_service.errors import ForeignPayloadError, PayloadDamagedError
from services.extractor_service.items import Content, PlannedItem, Verdict, VerdictKind, failure

READERS = 16  # one item is two requests; S3 answers each in about 20 ms whatever its size
WINDOW_ITEMS = 256

log = structlog.get_logger(__name__)


def read(queue: Queue, items: Iterable[PlannedItem], max_bytes: int) -> Iterator[Content | Verdict]:
    """Yield the content of each item in order; at most `max_bytes` of payloads wait in memory.

    An item that is no longer accepted is `gone`; one that cannot be read gets its verdict here.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        for window in windows(items, max_bytes):
            yield from pool.map(lambda item: read_item(queue, item), window)


def windows(items: Iterable[PlannedItem], max_bytes: int) -> Iterator[list[PlannedItem]]:
    """Cut a sequence of items so that the payloads of each part stay within `max_bytes`."""
    window: list[PlannedItem] = []
    size_bytes = 0
    for item in items:
        if window and (size_bytes + item.size_bytes > max_bytes or len(window) == WINDOW_ITEMS):
            yield window
            window, size_bytes = [], 0
        window.append(item)
        size_bytes += item.size_bytes
    if window:
        yield window


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
