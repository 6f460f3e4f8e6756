"""What the steps hand on: planned items, their content, their frames, and the verdict on each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import pandas as pd
import polars as pl
from pydantic import BaseModel, ConfigDict

from packages.common.extractors.frames import Frame
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemError, ItemMetadata
from packages.common.models.treatment_model import OnBadRows
from packages.common.queue import QueuedItem
from services.extractor_service.errors import is_transient, item_error
from services.extractor_service.quarantine import Quarantine
from zarr_fuse.report import UpdateReport


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One accepted item and where its rows go.

    `error` is set where it is known already why the item fails, `left_as` where an interrupted move has
    brought it to a later state; such items need no store.
    """

    item_id: str
    extension: str
    size_bytes: int
    node: str = ""
    on_bad_rows: OnBadRows = "report"
    error: ItemError | None = None
    left_as: ItemState | None = None
    requeued: int = 0
    generation: int = 1

    @property
    def ledger_id(self) -> str:
        """The id under which a store remembers that it merged the item."""
        return self.item_id if self.generation == 1 else f"{self.item_id}#g{self.generation}"

    def is_that_of(self, metadata: ItemMetadata) -> bool:
        """Whether the item has not been brought back since it was planned."""
        return self.requeued == metadata.requeued

    @property
    def needs_no_store(self) -> bool:
        """Whether it only has to be moved."""
        return self.error is not None or self.left_as is not None

    @property
    def queued(self) -> QueuedItem:
        """The item as the queue knows it."""
        return QueuedItem(self.item_id, self.extension, ItemState.ACCEPTED, self.size_bytes)


@dataclass(frozen=True)
class Group:
    """Items of one round that one schema describes, node by node, each node's in key order.

    `store_url` and `schema_file` are `""` where the items have none.
    """

    store_url: str
    schema_file: str
    items: list[PlannedItem]


class StorePlan(BaseModel):
    """What one sweep brings to one store: not its items, which may be many, but where they lie.

    `store_url` is `""` for items that have no store, `size` the number of items. `endpoints` tells of each
    endpoint that holds some of them how many items it held in all.
    """

    model_config = ConfigDict(frozen=True)

    store_url: str
    size: int
    endpoints: dict[str, int]


@dataclass(frozen=True)
class Content:
    """An item's payload, still as bytes, and its metadata."""

    item: PlannedItem
    metadata: ItemMetadata
    payload: bytes


@dataclass(frozen=True)
class Extracted:
    """An item's rows, not yet converted to its schema."""

    item: PlannedItem
    metadata: ItemMetadata
    frame: Frame

    @property
    def size_bytes(self) -> int:
        """Memory the frame takes."""
        if isinstance(self.frame, pl.DataFrame):
            return int(self.frame.estimated_size())
        if isinstance(self.frame, pd.DataFrame):
            return int(self.frame.memory_usage(deep=True).sum())
        return self.frame.nbytes


class VerdictKind(StrEnum):
    """What happens to an item: the outcomes of the queue, and `gone` for one no longer accepted."""

    MERGED = "merged"
    DUPLICATE = "duplicate"
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    GONE = "gone"


@dataclass(frozen=True)
class Verdict:
    """What became of one item; `metadata` is None where nobody had to read it."""

    item: PlannedItem
    kind: VerdictKind
    metadata: ItemMetadata | None = None
    report: UpdateReport | None = None
    error: ItemError | None = None
    quarantine: Quarantine | None = None


def failure(item: PlannedItem, metadata: ItemMetadata | None, error: BaseException) -> Verdict:
    """The verdict that an exception means for the item it belongs to."""
    kind = VerdictKind.TRANSIENT if is_transient(error) else VerdictKind.PERMANENT
    report = getattr(error, "report", None)
    return Verdict(item, kind, metadata, report, item_error(error))


def received_at(item_id: str) -> datetime | None:
    """The time an item id holds; None for a foreign one."""
    name = item_id.rpartition("/")[2]
    try:
        return datetime.strptime(name.partition("_")[0], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
