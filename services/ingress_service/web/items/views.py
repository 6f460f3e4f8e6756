"""Turns what the queue holds about an item into the document the API shows."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from packages.common.errors import MetadataError
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata, PastEvent, event_of
from packages.common.queue import Queue, QueuedItem
from services.ingress_service.web.answers import Item
from services.ingress_service.web.items.positions import received_at

ITEMS_PATH = "/api/v1/items"
READERS = 16


def state_url(item_id: str) -> str:
    """The address under which the state of an item can be asked for."""
    return f"{ITEMS_PATH}/{quote(item_id)}"


def endpoint_of(item_id: str) -> str:
    """Name of the endpoint or scraper an item belongs to."""
    return item_id.partition("/")[0]


def views(queue: Queue, items: Iterable[QueuedItem], state: ItemState | None = None) -> list[Item]:
    """Documents of several items, read side by side.

    Left out are items that are gone meanwhile, and those that are really past the `state` they were found
    in (a crash may leave an item in two places).
    """

    def look(item: QueuedItem) -> Item | None:
        if state is not None and _is_past(queue, item):
            return None
        shown = current_view(queue, item)
        return shown if shown is not None and state in {None, shown.state} else None

    with ThreadPoolExecutor(READERS, thread_name_prefix="items") as pool:
        return [shown for shown in pool.map(look, items) if shown is not None]


def _is_past(queue: Queue, item: QueuedItem) -> bool:
    later = tuple(ItemState)[tuple(ItemState).index(item.state) + 1 :]
    return any(queue.storage.head(item.in_state(state).payload_key) is not None for state in later)


def current_view(queue: Queue, item: QueuedItem) -> Item | None:
    """Document of an item; where it has just moved on, that of its new state; None if it is gone."""
    metadata = _read(queue, item)
    if metadata is None or (item.state is ItemState.ACCEPTED and metadata.outcome is not None):
        found = queue.find(item.item_id)
        if found is None:
            return None
        item, metadata = found, _read(queue, found)
    return view(item, metadata)


def _read(queue: Queue, item: QueuedItem) -> ItemMetadata | None:
    try:
        return queue.metadata(item)
    except MetadataError:
        return None


def view(item: QueuedItem, metadata: ItemMetadata | None) -> Item:
    """Document of an item; one without metadata is foreign and shows what its key says."""
    url = state_url(item.item_id)
    known = _known(metadata) if metadata is not None else {}
    return Item.model_validate(
        {
            "endpoint": endpoint_of(item.item_id),
            "received_at": received_at(item.item_id),
            "history": [],
            **known,
            "item_id": item.item_id,
            "state": item.state,
            "size_bytes": item.size_bytes,
            "links": {"self": url, "content": f"{url}/content"} | _more_links(url, metadata),
        }
    )


def _more_links(url: str, metadata: ItemMetadata | None) -> dict[str, str]:
    outcome = metadata.outcome if metadata is not None else None
    return {"rejected": f"{url}/rejected"} if outcome is not None and outcome.quarantined_rows else {}


def _known(metadata: ItemMetadata) -> dict[str, object]:
    outcome = metadata.outcome
    return {
        "node_path": metadata.node_path or None,
        "user": metadata.username,
        "received_at": metadata.received_at,
        "content_type": metadata.content_type,
        "sha256": metadata.sha256,
        "filename": metadata.filename,
        "attempts": max(metadata.attempts, outcome.attempts if outcome else 0),
        "retry_at": metadata.retry_at,
        "outcome": outcome,
        "history": [
            PastEvent(at=metadata.received_at, event="received"),
            *metadata.history,
            *([event_of(outcome)] if outcome is not None else []),
        ],
    }
