"""An item in one place of the queue, and its way to another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from packages.common.errors import MetadataError
from packages.common.keys import (
    ItemState,
    checked_item_id,
    extension_of,
    metadata_key,
    payload_key,
    rejected_key,
)
from packages.common.models.metadata_model import ItemMetadata
from packages.common.s3io import Payload


class QueuedItem(NamedTuple):
    """One item in one place of the queue."""

    item_id: str
    extension: str
    state: ItemState
    size_bytes: int = 0

    @property
    def payload_key(self) -> str:
        """The key of its payload."""
        return payload_key(self.state, self.item_id, self.extension)

    @property
    def metadata_key(self) -> str:
        """The key of its metadata."""
        return metadata_key(self.state, self.item_id, self.extension)

    @property
    def rejected_key(self) -> str:
        """The key of its rows that were quarantined, if any were."""
        return rejected_key(self.state, self.item_id, self.extension)

    def in_state(self, state: ItemState) -> QueuedItem:
        """The same item in another place."""
        return self._replace(state=state)


class Move(NamedTuple):
    """An item, the metadata it takes along, and where it goes; `rejected` is CSV of its quarantined rows."""

    item: QueuedItem
    metadata: ItemMetadata
    to_state: ItemState
    rejected: bytes | None = None


def new_item(metadata: ItemMetadata, payload: Payload) -> QueuedItem:
    """The item that a payload makes under `metadata.item_id`, or `NodePathError`."""
    item_id = checked_item_id(metadata.item_id)
    size_bytes = payload.stat().st_size if isinstance(payload, Path) else len(payload)
    extension = extension_of(metadata.content_type, metadata.content_encoding)
    return QueuedItem(item_id, extension, ItemState.ACCEPTED, size_bytes)


def read_metadata(item: QueuedItem, data: bytes) -> ItemMetadata:
    """The metadata of an item in its stored form, or `MetadataError`; an absent item id is filled in."""
    try:
        metadata = ItemMetadata.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MetadataError(
            f"the metadata of {item.item_id} cannot be read: {place} {first['msg']}"
        ) from None
    return metadata if metadata.item_id else metadata.model_copy(update={"item_id": item.item_id})


def left_behind(move: Move) -> list[QueuedItem]:
    """The places that a move clears: all others, but never what was merged for the sake of a failure."""
    stays = move.to_state
    others = [state for state in ItemState if state is not stays]
    if stays is ItemState.FAILED:
        others = [ItemState.ACCEPTED]
    return [move.item.in_state(state) for state in others]


def keys_left_behind(move: Move) -> list[str]:
    """What a move removes, metadata first; quarantined rows go with what is not processed any more."""
    places = left_behind(move)
    stale = [place for place in places if place.state is ItemState.PROCESSED]
    if move.to_state is ItemState.PROCESSED and move.rejected is None and move.metadata.requeued:
        stale.append(move.item.in_state(ItemState.PROCESSED))
    return [
        *(place.metadata_key for place in places),
        *(place.rejected_key for place in stale),
        *(place.payload_key for place in places),
    ]
