"""Gets payloads and metadata from the queue, several at once, in the order of the plan."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from packages.common.errors import IngressError, ItemNotFoundError, ObjectMissingError
from packages.common.queue import Queue
from services.extractor_service.errors import ForeignPayloadError, PayloadDamagedError
from services.extractor_service.items import Content, PlannedItem, Verdict, VerdictKind, failure

READERS = 16  # one item is two requests; S3 answers each in about 20 ms whatever its size
AHEAD_ITEMS = 256

log = structlog.get_logger(__name__)


def read(queue: Queue, items: Iterable[PlannedItem], max_bytes: int) -> Iterator[Content | Verdict]:
    """Yield the content of each item in order; about `max_bytes` of payloads, and one more, wait in memory.

    An item that is no longer accepted is `gone`; one that cannot be read gets its verdict here.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        ahead: deque[tuple[int, Future[Content | Verdict]]] = deque()
        waiting_bytes = 0
        for item in items:
            while ahead and (waiting_bytes + item.size_bytes > max_bytes or len(ahead) == AHEAD_ITEMS):
                size_bytes, first = ahead.popleft()
                yield first.result()
                waiting_bytes -= size_bytes
            ahead.append((item.size_bytes, pool.submit(read_item, queue, item)))
            waiting_bytes += item.size_bytes
        while ahead:
            yield ahead.popleft()[1].result()


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
