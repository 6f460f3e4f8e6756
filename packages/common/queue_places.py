"""An item that an interrupted move has left in two places of the queue: which of them is meant."""

from __future__ import annotations

from packages.common.errors import ItemBusyError, MetadataError, ObjectMissingError
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue_items import QueuedItem, read_metadata
from packages.common.s3io import ObjectStorage


def own_metadata(storage: ObjectStorage, item: QueuedItem) -> ItemMetadata | None:
    """The metadata in this very place; None where there is none, `MetadataError` where it cannot be read."""
    try:
        return read_metadata(item, storage.get(item.metadata_key))
    except ObjectMissingError:
        return None


def require_settled(storage: ObjectStorage, item: QueuedItem) -> None:
    """Raise `ItemBusyError` if the item is accepted, too, other than by an interrupted requeue."""
    accepted = item.in_state(ItemState.ACCEPTED)
    if item.state is ItemState.ACCEPTED or storage.head(accepted.payload_key) is None:
        return
    own, waiting = own_metadata(storage, item), own_metadata(storage, accepted)
    if own is not None and (waiting is None or waiting.requeued <= own.requeued):
        raise ItemBusyError(f"{item.item_id} is being moved; the next sweep ends that")


def is_left_in(storage: ObjectStorage, item: QueuedItem, metadata: ItemMetadata, state: ItemState) -> bool:
    """Whether a move of an accepted item to a later state was cut short, and not a requeue from there."""
    left = item.in_state(state)
    if storage.head(left.payload_key) is None:
        return False
    try:
        written = own_metadata(storage, left)
    except MetadataError:
        return False
    return written is not None and metadata.requeued <= written.requeued
