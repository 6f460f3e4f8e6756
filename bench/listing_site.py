"""A queue of many items to be listed: ten folders, most of what is in them processed, over a hundred days."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import obstore

from packages.common.keys import ItemState, metadata_key, new_item_id, payload_key
from packages.common.models.metadata_model import ItemMetadata, Outcome
from zarr_fuse.storage.opening import Store

FOLDERS = [
    (f"e{number}", node) for number, nodes in enumerate((3, 3, 2, 1, 1)) for node in ("", "a", "b")[:nodes]
]
END = datetime(2026, 11, 20, tzinfo=UTC)
DAYS = 100
WRITERS = 64
PAYLOAD = b"time,place,temperature\n2026-11-20,p1,5.5\n"
STATES = (*[ItemState.PROCESSED] * 8, ItemState.FAILED, ItemState.ACCEPTED)


def objects(items: int) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of everything in the queue; each folder has as many items, evenly over the days."""
    chance = random.Random(1)
    step = timedelta(days=DAYS) / (items // len(FOLDERS) + 1)
    for number in range(items):
        endpoint, node = FOLDERS[number % len(FOLDERS)]
        at = END - timedelta(days=DAYS) + step * (number // len(FOLDERS))
        state = chance.choice(STATES)
        item_id = new_item_id(endpoint, node, at, f"{chance.getrandbits(48):012x}")
        yield metadata_key(state, item_id, "csv"), _metadata(item_id, endpoint, node, at, state)
        yield payload_key(state, item_id, "csv"), PAYLOAD


def fill(store: Store, items: int) -> None:
    """Write the queue."""
    asyncio.run(_fill(store, objects(items)))


async def _fill(store: Store, found: Iterator[tuple[str, bytes]]) -> None:
    async def write() -> None:
        for key, data in found:
            await obstore.put_async(store, key, data)

    await asyncio.gather(*(write() for _ in range(WRITERS)))


def _metadata(item_id: str, endpoint: str, node: str, at: datetime, state: ItemState) -> bytes:
    settled = Outcome(state=state, finished_at=at, attempts=1) if state is not ItemState.ACCEPTED else None
    return ItemMetadata(
        item_id=item_id,
        endpoint_name=endpoint,
        node_path=node,
        received_at=at,
        content_type="text/csv",
        username="bench",
        size_bytes=len(PAYLOAD),
        outcome=settled,
    ).to_json()
