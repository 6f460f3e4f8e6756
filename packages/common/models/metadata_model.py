"""What lies beside each payload in the queue: who sent it, what it is, and what became of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

REJECTED_ROWS_KEPT = 100
HISTORY_KEPT = 50
METADATA_VERSION = 1


def _as_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


UtcTime = Annotated[datetime, AfterValidator(_as_utc)]
"""A time in UTC; text without offset is UTC, and JSON ends in `Z`."""

NodePath = Annotated[
    str,
    BeforeValidator(lambda value: "" if value is None else value),
    PlainSerializer(lambda value: value or None, return_type=str | None),
]
"""A relative node path; `""` here is `null` in JSON, as existing tools read it."""


def _as_json_value(value: Any) -> str | int | float | bool | None:  # noqa: ANN401
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


JsonValue = Annotated[str | int | float | bool | None, BeforeValidator(_as_json_value)]
"""A value as JSON can hold it; numpy scalars become Python's, everything else its text."""


class RejectedRow(BaseModel):
    """One row or cell that the merge could not take; `row` counts data rows from 0, null = the column."""

    model_config = ConfigDict(extra="allow")

    row: int | None = None
    column: str | None = None
    value: JsonValue = None
    kind: str
    message: str = ""


FirstRejectedRows = Annotated[list[RejectedRow], AfterValidator(lambda rows: rows[:REJECTED_ROWS_KEPT])]


class ItemError(BaseModel):
    """Why an item failed, and where in its payload if one place is at fault."""

    model_config = ConfigDict(extra="allow")

    kind: str
    message: str
    row: int | None = None
    column: str | None = None
    value: JsonValue = None


class Outcome(BaseModel):
    """What became of an item; `rejected_rows` holds the first hundred, `rejected_counts` all by kind.

    `quarantined_rows` lie as CSV beside the processed item.
    """

    model_config = ConfigDict(extra="allow")

    state: str
    finished_at: UtcTime
    attempts: int = 0
    rows: int | None = None
    store_url: str | None = None
    node: str | None = None
    snapshot: str | None = None
    dag_run_id: str | None = None
    error: ItemError | None = None
    rejected_rows: FirstRejectedRows = Field(default_factory=list)
    rejected_counts: dict[str, int] = Field(default_factory=dict)
    quarantined_rows: int | None = None


class PastEvent(BaseModel):
    """Something that an item has gone through: `retried`, `processed`, `failed` or `requeued`."""

    model_config = ConfigDict(extra="allow")

    at: UtcTime
    event: str
    attempt: int | None = None
    error: ItemError | None = None
    snapshot: str | None = None
    dag_run_id: str | None = None


def event_of(outcome: Outcome) -> PastEvent:
    """An outcome as an event: without its rows."""
    return PastEvent(
        at=outcome.finished_at,
        event=outcome.state,
        attempt=outcome.attempts,
        error=outcome.error,
        snapshot=outcome.snapshot,
        dag_run_id=outcome.dag_run_id,
    )


LastEvents = Annotated[list[PastEvent], AfterValidator(lambda events: events[-HISTORY_KEPT:])]


class ItemMetadata(BaseModel):
    """The metadata object of one item. Keys it does not know are kept as they are."""

    model_config = ConfigDict(extra="allow")

    content_type: str = "application/octet-stream"
    node_path: NodePath = ""
    endpoint_name: str = ""
    username: str | None = None
    received_at: UtcTime
    schema_name: str | None = None
    schema_path: str | None = None
    target_node: str | None = None
    extract_fn: str | None = None
    fn_module: str | None = None
    dataframe_row: dict[str, Any] | None = None

    item_id: str = ""
    size_bytes: int | None = None
    sha256: str | None = None
    filename: str | None = None
    content_encoding: str | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None
    metadata_version: int = METADATA_VERSION

    attempts: int = 0
    retry_at: UtcTime | None = None
    requeued: int = Field(0, ge=0)
    generation: int = Field(1, ge=1)
    outcome: Outcome | None = None
    history: LastEvents = Field(default_factory=list)

    def with_event(self, event: PastEvent) -> ItemMetadata:
        """The metadata with one more event; the oldest of more than fifty is dropped."""
        return self.model_copy(update={"history": [*self.history, event][-HISTORY_KEPT:]})

    def brought_back(self, *, merge_again: bool) -> ItemMetadata:
        """The metadata of an item that is accepted once more.

        `requeued` counts how often that happened. `generation` is part of the id by which a store remembers a
        merge: with a higher one it merges the item again.
        """
        ended = self.with_event(event_of(self.outcome)) if self.outcome is not None else self
        told = ended.with_event(PastEvent(at=datetime.now(UTC), event="requeued"))
        afresh = {"attempts": 0, "retry_at": None, "outcome": None, "requeued": self.requeued + 1}
        return told.model_copy(update={**afresh, "generation": self.generation + merge_again})

    def to_json(self) -> bytes:
        """The object as it is stored: UTF-8 JSON, times in UTC with `Z`."""
        return self.model_dump_json(indent=1).encode()
