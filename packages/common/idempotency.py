"""Remembers which payload an Idempotency-Key stands for, in the storage, so that every replica knows.

    queue/idempotency/{sha256 of user, endpoint and key}.json

The record is created just before its item is committed, never changed, and names the item: whether the first
request has been answered is seen by whether the item is there. A request that died in between leaves a record
whose item is missing; the next one with the same key takes it over under the same item id, so that even two
requests that both think they may go on write one item. Nothing has to be repaired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ValidationError

from packages.common.errors import ObjectMissingError, StorageUnavailableError
from packages.common.models.metadata_model import ItemMetadata, UtcTime
from packages.common.s3io import ObjectStorage

PREFIX = "idempotency/"
KEPT = timedelta(hours=24)
"""How long a key is remembered at least; housekeeping removes it some time after."""
ATTEMPTS = 3
CLAIM_S = 60.0
"""How long a claim without an item counts as a request that is being handled right now."""


class KeyRecord(BaseModel):
    """What a key stands for."""

    item_id: str
    received_at: UtcTime
    fingerprint: str
    claimed_at: UtcTime

    def is_fresh(self, now: datetime | None = None) -> bool:
        """Whether the request that made the claim may still be at work, as far as clocks agree."""
        return abs((now or datetime.now(UTC)) - self.claimed_at) < timedelta(seconds=CLAIM_S)


class KeyRecords:
    """The records of one queue."""

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage

    async def find(self, name: str) -> KeyRecord | None:
        """The record of a key, under the name that `record_name` gives it."""
        try:
            return _parsed(await self._storage.get_async(name))
        except ObjectMissingError:
            return None

    async def claim(self, name: str, record: KeyRecord) -> KeyRecord:
        """Make `record` what the key stands for, unless there is one already; the record in force."""
        for _ in range(ATTEMPTS):
            if await self._storage.create_async(name, record.model_dump_json().encode()):
                return record
            if (found := await self.find(name)) is not None:
                return found
        raise StorageUnavailableError(f"the record {name} can be neither created nor read")

    async def release(self, name: str, record: KeyRecord) -> None:
        """Say that nobody is at work on a claim any more, without forgetting what it stands for."""
        released = record.model_copy(update={"claimed_at": datetime.fromtimestamp(0, UTC)})
        await self._storage.put_async(name, released.model_dump_json().encode())


def record_name(user: str, endpoint: str, key: str) -> str:
    """Where the record of a key lies; the same key of another user or endpoint is another one."""
    digest = hashlib.sha256("\0".join((user, endpoint, key)).encode()).hexdigest()
    return f"{PREFIX}{digest}.json"


def fingerprint_of(metadata: ItemMetadata) -> str:
    """What must be the same for two requests to be the same: payload, type and node."""
    facts = (metadata.sha256 or "", metadata.content_type, metadata.node_path)
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def expired_records(storage: ObjectStorage, *, now: datetime | None = None) -> Iterator[str]:
    """Keys of the records that may be forgotten."""
    limit = (now or datetime.now(UTC)) - KEPT
    for found in storage.list(PREFIX):
        if found.modified_at < limit:
            yield found.key


def _parsed(data: bytes) -> KeyRecord | None:
    try:
        return KeyRecord.model_validate_json(data)
    except ValidationError:
        return None
