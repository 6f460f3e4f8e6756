"""The history of a store: one entry for each commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from zarr_fuse.commit.records import CommitRecord


@dataclass(frozen=True)
class Commit:
    """One entry of a history: `snapshot` names the state after it, `time` is the writer's clock in UTC."""

    snapshot: str
    parent: str | None
    time: datetime
    message: str | None
    item_ids: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    rows: int = 0


def history_of(records: Sequence[CommitRecord]) -> list[Commit]:
    """Records as entries of a history, in the same order; each follows the one before it in the list."""
    names = [None, *(f"{record.number:08d}" for record in records)]
    return [
        Commit(
            snapshot=f"{record.number:08d}",
            parent=parent,
            time=datetime.fromisoformat(record.time),
            message=record.message,
            item_ids=tuple(record.item_ids),
            nodes=tuple(record.nodes),
            rows=record.rows,
        )
        for parent, record in zip(names, records, strict=False)
    ]
