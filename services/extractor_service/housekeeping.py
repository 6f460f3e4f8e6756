"""Removes what the queue need not keep: items past their retention, and leavings of aborted uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from packages.common.idempotency import expired_records
from packages.common.keys import METADATA_SUFFIX, REJECTED_SUFFIX, ItemState, parse_key, payload_key_of
from packages.common.queue import Queue
from packages.common.settings import Settings
from packages.common.unfinished import UnfinishedUpload, abort_upload, unfinished_uploads
from services.extractor_service.places import open_queue

BULK = 1000  # objects one request deletes


class Removal(NamedTuple):
    """One object that may go, and why.

    `upload_id` is set where it is an upload that was never completed, `lonely` where it may go only as long
    as it lies beside no payload.
    """

    key: str
    reason: str
    upload_id: str | None = None
    lonely: bool = False


def removals(settings: Settings, *, now: datetime | None = None) -> Iterator[Removal]:
    """What may be deleted now, payloads before their metadata.

    Processed and failed items go when they ended longer ago than their retention; an accepted item never.
    Metadata without payload goes after an hour, in every state; Idempotency-Keys and multipart uploads that
    nobody completed go after a day.
    """
    queue, at = open_queue(settings), now or datetime.now(UTC)
    retention_days = {
        ItemState.PROCESSED: settings.retention_processed_days,
        ItemState.FAILED: settings.retention_failed_days,
    }
    for state, days in retention_days.items():
        if days is not None:
            yield from _expired(queue, state, at - timedelta(days=days))
    for key in queue.aborted(now=at):
        yield Removal(key, "left by an upload or a removal that was cut short", lonely=True)
    for key in expired_records(queue.storage, now=at):
        yield Removal(key, "an Idempotency-Key of more than a day ago")
    for upload in unfinished_uploads(settings, now=at):
        yield Removal(upload.key, "an upload in parts that was never completed", upload.upload_id)


def remove(settings: Settings, found: Iterable[Removal]) -> int:
    """Delete what `removals` found; the number of objects."""
    storage, count = open_queue(settings).storage, 0
    pending = iter(found)
    while taken := list(islice(pending, BULK)):
        part = [one for one in taken if not (one.lonely and storage.head(payload_key_of(one.key)))]
        storage.delete([one.key for one in part if one.upload_id is None])
        for one in part:
            if one.upload_id is not None:
                abort_upload(settings, UnfinishedUpload(one.key, one.upload_id))
        count += len(part)
    return count


def _expired(queue: Queue, state: ItemState, before: datetime) -> Iterator[Removal]:
    """Metadata is written anew when an item ends, so it is as old as that end."""
    expired, reason = "", f"{state} before {before:%Y-%m-%d %H:%M} UTC"
    for found in queue.storage.list(f"{state}/"):
        parts = parse_key(found.key)
        if parts is not None and parts.is_metadata and found.modified_at < before:
            expired = found.key.removesuffix(METADATA_SUFFIX)
            yield Removal(expired, reason)
            yield Removal(found.key, reason)
        elif found.key == f"{expired}{REJECTED_SUFFIX}":
            yield Removal(found.key, reason)
