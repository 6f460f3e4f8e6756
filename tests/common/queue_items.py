"""Items of a queue, and where they are."""

from __future__ import annotations

from datetime import UTC, datetime

from packages.common.keys import ItemState, new_item_id
from packages.common.models.metadata_model import ItemMetadata, Outcome
from packages.common.queue import Move, Queue

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCEPTED, FAILED, PROCESSED = ItemState.ACCEPTED, ItemState.FAILED, ItemState.PROCESSED


def metadata_of(node="", endpoint="weather", unique=None, **extra) -> ItemMetadata:
    item_id = new_item_id(endpoint, node, NOON, unique)
    return ItemMetadata(item_id=item_id, content_type="text/csv", received_at=NOON, node_path=node, **extra)


def with_outcome(metadata: ItemMetadata, state: str) -> ItemMetadata:
    return metadata.model_copy(update={"outcome": Outcome(state=state, finished_at=NOON)})


def move(queue, item, state) -> Move:
    return Move(item, with_outcome(queue.metadata(item), state), state)


def places(queue: Queue) -> list[tuple[str, ItemState]]:
    return sorted((item.item_id, state) for state in ItemState for item in queue.items(state))


def keys(queue: Queue) -> list[str]:
    return [info.key for info in queue.storage.list("")]
