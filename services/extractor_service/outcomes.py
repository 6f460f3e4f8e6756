"""Which end a verdict means for an item, and the metadata that tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from packages.common.keys import ItemState
from packages.common.models.metadata_model import (
    REJECTED_ROWS_KEPT,
    ItemError,
    ItemMetadata,
    Outcome,
    PastEvent,
    RejectedRow,
)
from packages.common.queue import Move
from packages.common.wording import counted
from services.extractor_service.items import PlannedItem, Verdict, VerdictKind
from zarr_fuse.report import UpdateReport

BACK_OFF = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))


class End(StrEnum):
    """How a report counts an item."""

    PROCESSED = "processed"
    FAILED = "failed"
    DUPLICATES = "duplicates"
    RETRIED = "retried"
    RESUMED = "resumed"
    GONE = "gone"
    UNSETTLED = "unsettled"


@dataclass(frozen=True)
class Circumstances:
    """What all items of one settlement share; `now` is in UTC."""

    now: datetime
    max_attempts: int
    store_url: str | None = None
    dag_run_id: str | None = None


@dataclass(frozen=True)
class Settlement:
    """What is to be written for an item: a move, new metadata in its place, or (without metadata) nothing."""

    item: PlannedItem
    end: End
    metadata: ItemMetadata | None = None
    to_state: ItemState | None = None
    error: ItemError | None = None
    rejected: bytes | None = None

    @property
    def move(self) -> Move | None:
        """The move, None for an item that stays where it is."""
        if self.metadata is None or self.to_state is None:
            return None
        return Move(self.item.queued, self.metadata, self.to_state, self.rejected)


def settlement(verdict: Verdict, metadata: ItemMetadata, circumstances: Circumstances) -> Settlement:
    """The settlement of a verdict on an item that is still accepted.

    The metadata of a duplicate or of an interrupted move may hold the outcome written then; it is kept.
    """
    item = verdict.item
    if item.left_as is not None:
        return Settlement(item, End.RESUMED, metadata, item.left_as)
    if verdict.kind is VerdictKind.MERGED:
        done = _ended(verdict, metadata, circumstances, ItemState.PROCESSED)
        return Settlement(item, End.PROCESSED, done, ItemState.PROCESSED, rejected=_rejected(verdict))
    if verdict.kind is VerdictKind.DUPLICATE:
        kept = metadata.outcome is not None and metadata.outcome.state == ItemState.PROCESSED
        done = metadata if kept else _ended(verdict, metadata, circumstances, ItemState.PROCESSED)
        return Settlement(item, End.DUPLICATES, done, ItemState.PROCESSED, rejected=_rejected(verdict))
    if verdict.kind is VerdictKind.TRANSIENT:
        return _after_transient(verdict, metadata, circumstances)
    return _failed(verdict, metadata, circumstances, verdict.error)


def _rejected(verdict: Verdict) -> bytes | None:
    return verdict.quarantine.csv if verdict.quarantine else None


def _after_transient(verdict: Verdict, metadata: ItemMetadata, circumstances: Circumstances) -> Settlement:
    attempts = metadata.attempts + 1
    if attempts >= circumstances.max_attempts:
        last = verdict.error.message if verdict.error else ""
        given_up = f"given up after {counted(attempts, 'attempt')}; the last: {last}"
        error = ItemError(kind="transient", message=given_up)
        return _failed(verdict, metadata, circumstances, error)
    retry_at = circumstances.now + BACK_OFF[min(attempts, len(BACK_OFF)) - 1]
    tried = PastEvent(
        at=circumstances.now,
        event="retried",
        attempt=attempts,
        error=verdict.error,
        dag_run_id=circumstances.dag_run_id,
    )
    waiting = metadata.with_event(tried).model_copy(update={"attempts": attempts, "retry_at": retry_at})
    return Settlement(verdict.item, End.RETRIED, waiting, error=verdict.error)


def _failed(
    verdict: Verdict, metadata: ItemMetadata, circumstances: Circumstances, error: ItemError | None
) -> Settlement:
    done = _ended(verdict, metadata, circumstances, ItemState.FAILED, error)
    return Settlement(verdict.item, End.FAILED, done, ItemState.FAILED, error)


def _ended(
    verdict: Verdict,
    metadata: ItemMetadata,
    circumstances: Circumstances,
    state: ItemState,
    error: ItemError | None = None,
) -> ItemMetadata:
    attempts = metadata.attempts + 1
    outcome = Outcome(
        state=state,
        finished_at=circumstances.now,
        attempts=attempts,
        store_url=circumstances.store_url,
        node=verdict.item.node if circumstances.store_url else None,
        dag_run_id=circumstances.dag_run_id,
        error=error,
        quarantined_rows=verdict.quarantine.rows if verdict.quarantine else None,
        **_findings(verdict.report, merged=state is ItemState.PROCESSED),
    )
    return metadata.model_copy(update={"attempts": attempts, "retry_at": None, "outcome": outcome})


def _findings(report: UpdateReport | None, *, merged: bool) -> dict[str, Any]:
    if report is None:
        return {}
    kept = report.rejected[:REJECTED_ROWS_KEPT]
    return {
        "rows": report.rows_merged if merged else None,
        "snapshot": report.snapshot,
        "rejected_counts": dict(report.rejected_counts),
        "rejected_rows": [
            RejectedRow(row=one.row, column=one.column, value=one.value, kind=one.kind, message=one.message)
            for one in kept
        ],
    }
