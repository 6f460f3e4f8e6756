"""The `Idempotency-Key` of an upload: the same request twice makes one item, and gets one answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from starlette.datastructures import Headers

from packages.common.errors import StorageError
from packages.common.idempotency import KeyRecord, KeyRecords, fingerprint_of, record_name
from packages.common.models.metadata_model import ItemMetadata
from services.ingress_service.errors import HeaderMalformedError, KeyBusyError, KeyReusedError
from services.ingress_service.web.uploads.content import printable
from services.ingress_service.web.uploads.keeping import Keeper

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_KEY_CHARACTERS = 255


class IdempotencyKeys:
    """The keys of one service: those that it is handling, and the records of those that were handled."""

    def __init__(self, records: KeyRecords, keeper: Keeper) -> None:
        self.records, self.keeper = records, keeper
        self._in_flight: set[str] = set()

    @contextmanager
    def handling(self, headers: Headers, user: str, endpoint: str) -> Iterator[KeyedUpload | None]:
        """The key of a request for as long as it is handled; None where it has none.

        Raises KeyBusyError where this process is handling another request with the same key.
        """
        key = key_of(headers)
        if key is None:
            yield None
            return
        name = record_name(user, endpoint, key)
        if name in self._in_flight:
            raise _busy(key)
        self._in_flight.add(name)
        try:
            yield KeyedUpload(self, key, name)
        finally:
            self._in_flight.discard(name)


class KeyedUpload:
    """An upload with an Idempotency-Key."""

    def __init__(self, keys: IdempotencyKeys, key: str, name: str) -> None:
        self.key = key
        self._keys, self._name = keys, name
        self._claim: KeyRecord | None = None

    async def earlier(self) -> KeyRecord | None:
        """What an earlier request with this key has claimed, to go on under the same item id.

        Raises KeyBusyError where that request is still at work, here or in another replica.
        """
        found = await self._keys.records.find(self._name)
        if found is not None and found.is_fresh() and not await self._keys.keeper.holds(found.item_id):
            raise _busy(self.key)
        return found

    async def answered_by(self, metadata: ItemMetadata) -> str | None:
        """The item that this request has made before; None where it is the one to make its item.

        Raises KeyReusedError where the key stands for another payload, KeyBusyError where another request is
        about to make the item.
        """
        claim = KeyRecord(
            item_id=metadata.item_id,
            received_at=metadata.received_at,
            fingerprint=fingerprint_of(metadata),
            claimed_at=datetime.now(UTC),
        )
        found = await self._keys.records.claim(self._name, claim)
        if found.fingerprint != claim.fingerprint:
            raise KeyReusedError(f"The Idempotency-Key {printable(self.key)!r} belongs to another payload.")
        if found != claim and await self._keys.keeper.holds(found.item_id):
            return found.item_id
        if found != claim and (found.item_id != claim.item_id or found.is_fresh()):
            raise _busy(self.key)
        self._claim = found
        return None

    async def release(self) -> None:
        """Let the next request with this key go on at once, because this one has failed."""
        if self._claim is not None:
            with suppress(StorageError):
                await self._keys.records.release(self._name, self._claim)


def key_of(headers: Headers) -> str | None:
    """The key of a request, without the quotes it may have; raises HeaderMalformedError."""
    values = set(headers.getlist(HEADER))
    if not values:
        return None
    raw = values.pop()
    key = raw[1:-1] if len(raw) > 1 and raw[0] == raw[-1] == '"' else raw
    if values or not 1 <= len(key) <= MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
        raise HeaderMalformedError(
            f"{HEADER} must be one value of 1 to {MAX_KEY_CHARACTERS} printable ASCII characters."
        )
    return key


def _busy(key: str) -> KeyBusyError:
    return KeyBusyError(
        f"A request with the Idempotency-Key {printable(key)!r} is being handled; try again later."
    )
