"""The queue: items wait in `accepted`, and end in `processed` or `failed` with their outcome beside them.

An item is a payload object and a metadata object. The payload is the commit: it is written last, so that
whoever lists a payload finds its metadata. A crash may leave an item in two places; the later one
(`accepted` < `failed` < `processed`) is the true one, and the next `settle` removes the other. What is left
behind by a move loses its metadata first: a payload is listed again and cleared away, lone metadata is not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain

from packages.common.errors import IngressError, ItemNotFoundError, NodePathError, ObjectMissingError
from packages.common.in_order import in_order
from packages.common.keys import ItemState, checked_item_id, extension_of, parse_key, payload_key_of
from packages.common.models.metadata_model import ItemMetadata
from packages.common.object_writer import ObjectWriter
from packages.common.queue_items import Move, QueuedItem, keys_left_behind, new_item
from packages.common.queue_places import own_metadata, require_settled
from packages.common.s3io import ObjectStorage, Payload

__all__ = ["ABORTED_AFTER", "Move", "Queue", "QueuedItem"]

ABORTED_AFTER = timedelta(hours=1)
"""Metadata without payload that is older than this belongs to an upload that was never acknowledged."""
LONG_S = ABORTED_AFTER.total_seconds() / 2
CLAIM_PATIENCE_S = 10.0
CLAIM_POLL_S = 0.25
LATEST_FIRST = tuple(reversed(ItemState))


class Queue:
    """The items below one address; safe to share between threads."""

    def __init__(self, storage: ObjectStorage) -> None:
        self.storage = storage

    def accept(self, metadata: ItemMetadata, payload: Payload) -> QueuedItem:
        """Store a new item under `metadata.item_id`; when this returns it is durable."""
        item, began = new_item(metadata, payload), time.monotonic()
        self.storage.put(item.metadata_key, metadata.to_json())
        self.storage.put(item.payload_key, payload)
        if time.monotonic() - began > LONG_S:  # housekeeping may have taken it for a leaving
            self.storage.put(item.metadata_key, metadata.to_json())
        return item

    async def accept_async(self, metadata: ItemMetadata, payload: Payload) -> QueuedItem:
        """Store a new item under `metadata.item_id`; when this returns it is durable."""
        item = new_item(metadata, payload)
        await self.storage.put_async(item.metadata_key, metadata.to_json())
        await self.storage.put_async(item.payload_key, payload)
        return item

    def commit(self, metadata: ItemMetadata, payload: ObjectWriter) -> None:
        """Store a new item whose payload has been written to `payload_writer`; it is durable afterwards."""
        self.storage.put(new_item(metadata, b"").metadata_key, metadata.to_json())
        payload.commit()

    def payload_writer(self, item_id: str, content_type: str) -> ObjectWriter:
        """Takes the payload of an item that nobody sees before `commit`."""
        item = QueuedItem(checked_item_id(item_id), extension_of(content_type), ItemState.ACCEPTED)
        return self.storage.writer(item.payload_key)

    def accept_once(
        self, metadata: ItemMetadata, payload: Payload, patience_s: float = CLAIM_PATIENCE_S
    ) -> bool:
        """Store an item that other replicas may be storing under the same id; False if one of them did.

        Creating the metadata is the claim. Where another replica holds it, its payload is awaited for
        `patience_s`; then that replica counts as dead and its place is taken.
        """
        item = new_item(metadata, payload)
        if self.find(metadata.item_id) is not None:
            return False
        if self.storage.create(item.metadata_key, metadata.to_json()):
            return self.storage.create(item.payload_key, payload)
        if self._appears(metadata.item_id, patience_s) or not self.storage.create(item.payload_key, payload):
            return False
        self.storage.put(item.metadata_key, metadata.to_json())
        return True

    def _appears(self, item_id: str, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while self.find(item_id) is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(CLAIM_POLL_S)
        return True

    def items(
        self, state: ItemState, endpoint: str | None = None, node: str | None = None, after: str | None = None
    ) -> Iterator[QueuedItem]:
        """The items in a state, in key order, as the storage lists them.

        `node` asks for the items of exactly that node path (`""`: of none), `after` for those behind an id.
        """
        folder = "/".join(part for part in (endpoint, node) if part)
        start = f"{state}/{after}" if after else None
        for found in self.storage.list(f"{state}/{folder}/" if folder else f"{state}/", start):
            parts = parse_key(found.key)
            if parts is None or parts.is_metadata or parts.item_id == after:
                continue
            if node is None or parts.item_id.rpartition("/")[0] == folder:
                yield QueuedItem(parts.item_id, parts.extension, state, found.size_bytes)

    def metadata(self, item: QueuedItem) -> ItemMetadata | None:
        """The item's metadata; None if the item is foreign, `MetadataError` if it cannot be read.

        Where a removal was cut short, what the other places of the item say is taken, the latest first.
        """
        found = own_metadata(self.storage, item)
        others = (state for state in LATEST_FIRST if state is not item.state)
        while found is None and (state := next(others, None)) is not None:
            found = own_metadata(self.storage, item.in_state(state))
        return found

    def payload(self, item: QueuedItem) -> bytes:
        """The item's payload, or `ItemNotFoundError`."""
        try:
            return self.storage.get(item.payload_key)
        except ObjectMissingError:
            raise ItemNotFoundError(f"{item.item_id} is not in {item.state}") from None

    def rewrite(self, item: QueuedItem, metadata: ItemMetadata) -> None:
        """Replace the metadata of an item where it is."""
        self.storage.put(item.metadata_key, metadata.to_json())

    def settle(self, moves: Sequence[Move]) -> list[QueuedItem]:
        """Move items; what a crash leaves half done, the same call completes.

        Returns the items that were found nowhere (purged meanwhile). If a request fails, every other move
        is completed before the error is raised.
        """
        if not moves:
            return []
        folders: set[str] = set()
        arrive = partial(self._arrived, folders)
        results = list(in_order(arrive, moves, bundle=self.storage.bundle))
        self.storage.make_durable(folders)
        arrived = [move for move, result in zip(moves, results, strict=True) if isinstance(result, bool)]
        self._leave(arrived)
        for result in results:
            if isinstance(result, IngressError):
                raise result
        return [move.item for move, result in zip(moves, results, strict=True) if result is False]

    def _arrived(self, folders: set[str], move: Move) -> bool | IngressError:
        try:
            with self.storage.durable_later(folders):
                return self._arrive(move)
        except IngressError as error:
            return error

    def _arrive(self, move: Move) -> bool:
        item, target = move.item, move.item.in_state(move.to_state)
        if move.to_state is ItemState.FAILED and self._is_processed(item):
            return True
        if move.rejected is not None:
            self.storage.put(target.rejected_key, move.rejected)
        self.storage.put(target.metadata_key, move.metadata.to_json())
        if target == item:
            return True
        try:
            self.storage.copy(item.payload_key, target.payload_key, item.size_bytes)
        except ObjectMissingError:
            if any(found.key == target.payload_key for found in self.storage.list(target.payload_key)):
                return True  # a listing cannot be mistaken; HEAD is, where a gateway says 404
            self.storage.delete([target.metadata_key, target.rejected_key])
            return False
        return True

    def _is_processed(self, item: QueuedItem) -> bool:
        return self.storage.head(item.in_state(ItemState.PROCESSED).payload_key) is not None

    def _leave(self, moves: Sequence[Move]) -> None:
        keys = map(keys_left_behind, moves)
        if self.storage.deletes_in_bulk:
            self.storage.delete(sorted(chain.from_iterable(keys), key=_is_payload))
        else:
            deque(in_order(self.storage.delete, keys, bundle=self.storage.bundle), maxlen=0)

    def find(self, item_id: str) -> QueuedItem | None:
        """The item with this id, in the latest place that holds it."""
        try:
            checked_item_id(item_id)
        except NodePathError:
            return None
        found = self._find_along(item_id, tuple(ItemState))
        return found or self._find_along(item_id, (ItemState.ACCEPTED,))

    def _find_along(self, item_id: str, states: Sequence[ItemState]) -> QueuedItem | None:
        found = None
        for state in states:
            for item in self._with_id(item_id, state):
                found = item
        return found

    def _with_id(self, item_id: str, state: ItemState) -> Iterator[QueuedItem]:
        for info in self.storage.list(f"{state}/{item_id}"):
            parts = parse_key(info.key)
            if parts is not None and not parts.is_metadata and parts.item_id == item_id:
                yield QueuedItem(item_id, parts.extension, state, info.size_bytes)
                return

    def requeue(self, item: QueuedItem) -> QueuedItem:
        """Bring an item back to `accepted` with no attempts and no outcome; a processed one is merged again.

        Raises:
            ItemNotFoundError: it is not there.
            ItemBusyError: a sweep is moving it, and would remove what is brought back now.
        """
        require_settled(self.storage, item)
        metadata = self.metadata(item) or ItemMetadata(item_id=item.item_id, received_at=datetime.now(UTC))
        fresh = metadata.brought_back(merge_again=item.state is ItemState.PROCESSED)
        if self.settle([Move(item, fresh, ItemState.ACCEPTED)]):
            raise ItemNotFoundError(f"{item.item_id} is not in {item.state}")
        return item.in_state(ItemState.ACCEPTED)

    def purge(self, item: QueuedItem) -> None:
        """Remove an item; repeating it is harmless."""
        self.storage.delete([item.payload_key])
        self.storage.delete([item.metadata_key, item.rejected_key])

    def purge_everywhere(self, item: QueuedItem) -> None:
        """Remove an item from every place that an interrupted move may have left it in."""
        for state in ItemState:
            self.purge(item.in_state(state))

    def aborted(self, older_than: timedelta = ABORTED_AFTER, now: datetime | None = None) -> Iterator[str]:
        """Keys of metadata and of quarantined rows without payload, left by what was cut short."""
        limit = (now or datetime.now(UTC)) - older_than
        for state in ItemState:
            last = ""
            for found in self.storage.list(f"{state}/"):
                payload_key = payload_key_of(found.key)
                lonely = payload_key not in {found.key, last}
                if lonely and found.modified_at < limit and self.storage.head(payload_key) is None:
                    yield found.key
                last = payload_key


def _is_payload(key: str) -> bool:
    return payload_key_of(key) == key
