"""What is remembered of a scraper: its last runs, its missed windows, and which failures were told.

The record is a small JSON object beside the queue, shared by all replicas. It is a memory, not a lock: where
two of them write at once one change may be lost, which costs at most a request that finds its item stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from packages.common.models.metadata_model import UtcTime

RunState = Literal["accepted", "duplicate", "unchanged", "failed"]
TriggeredBy = Literal["schedule", "manual", "backfill"]

REQUESTS_KEPT = 1000
FIRINGS_KEPT = 20
MISSED_KEPT = 1000
NOTICES_KEPT = 50
CLOCKS_DIFFER = timedelta(hours=1)
"""Clocks of replicas may differ by less; what is settled beyond that was settled by one that was wrong."""


class Run(BaseModel):
    """What came of one request of one firing; `reason` is set when it failed.

    `key` names the request across firings; `etag`, `last_modified` and `sha256` describe the last answer to
    it that was stored.
    """

    model_config = ConfigDict(frozen=True)

    scrapper: str
    fired_at: UtcTime
    finished_at: UtcTime
    state: RunState
    item_id: str | None = None
    kind: str | None = None
    reason: str | None = None
    request: str = ""
    row: str | None = None
    page: int = 1
    key: str = ""
    etag: str | None = None
    last_modified: str | None = None
    sha256: str | None = None


class FiringRecord(BaseModel):
    """One firing: when, why, and how many of its requests ended how; not `complete` where a stop cut it."""

    fired_at: UtcTime
    finished_at: UtcTime
    triggered_by: TriggeredBy
    counts: dict[str, int] = Field(default_factory=dict)
    complete: bool = True


class MissedWindow(BaseModel):
    """A fire time without a fetch: `late` (nobody was there) or `coalesced` (a later one ran)."""

    fired_at: UtcTime
    reason: str


class ScraperRecord(BaseModel):
    """Everything remembered of one scraper; every fire time up to `settled_until` has run or is missed."""

    schedule: str = ""
    settled_until: UtcTime | None = None
    missed: list[MissedWindow] = Field(default_factory=list)
    firings: list[FiringRecord] = Field(default_factory=list)
    requests: dict[str, Run] = Field(default_factory=dict)
    notices: dict[str, UtcTime] = Field(default_factory=dict)

    @property
    def last_runs(self) -> list[Run]:
        """The runs of the last firing, as far as they are kept."""
        latest = max((run.fired_at for run in self.requests.values()), default=None)
        return [run for run in self.requests.values() if run.fired_at == latest]


class Firing(BaseModel):
    """What one firing has done; not `complete` where a stop came in between."""

    fired_at: UtcTime
    finished_at: UtcTime
    runs: list[Run]
    complete: bool = True

    @property
    def failures(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if run.state == "failed"]

    @property
    def counts(self) -> dict[str, int]:
        """How many runs ended how."""
        return dict(Counter(run.state for run in self.runs))


def with_firing(record: ScraperRecord, firing: Firing, triggered_by: TriggeredBy) -> ScraperRecord:
    """The record after a firing."""
    requests = dict(record.requests)
    for run in firing.runs:
        requests[run.key] = _with_fingerprint(run, requests.pop(run.key, None))
    done = FiringRecord(
        fired_at=firing.fired_at,
        finished_at=firing.finished_at,
        triggered_by=triggered_by,
        counts=firing.counts,
        complete=firing.complete,
    )
    missed = [one for one in record.missed if not (firing.complete and one.fired_at == firing.fired_at)]
    return record.model_copy(
        update={
            "requests": dict(list(requests.items())[-REQUESTS_KEPT:]),
            "firings": [*record.firings, done][-FIRINGS_KEPT:],
            "missed": missed,
        }
    )


def _with_fingerprint(run: Run, before: Run | None) -> Run:
    """What a run without an answer of its own knows of the last one that was stored."""
    if before is None or run.sha256 is not None:
        return run
    known = {"etag": before.etag, "last_modified": before.last_modified, "sha256": before.sha256}
    return run.model_copy(update=known)


def with_missed(record: ScraperRecord, missed: Iterable[tuple[datetime, str]]) -> ScraperRecord:
    """The record with more missed windows, each once, the latest kept."""
    by_time = {one.fired_at: one for one in record.missed}
    by_time |= {time: MissedWindow(fired_at=time, reason=reason) for time, reason in missed}
    latest = [by_time[time] for time in sorted(by_time)][-MISSED_KEPT:]
    return record.model_copy(update={"missed": latest})


def settled(record: ScraperRecord, until: datetime) -> ScraperRecord:
    """The record after everything up to a time has run or is missed."""
    if record.settled_until is not None and record.settled_until >= until:
        return record
    return record.model_copy(update={"settled_until": until})


def begun(record: ScraperRecord, schedule: str, since: datetime, now: datetime) -> ScraperRecord:
    """The record of a schedule that this process has followed up to `since`: the past is nobody's miss."""
    settled_until = record.settled_until
    if record.schedule == schedule and settled_until is not None and settled_until <= now + CLOCKS_DIFFER:
        return record
    return record.model_copy(update={"schedule": schedule, "settled_until": since, "missed": []})


def with_notice(record: ScraperRecord, fingerprints: Sequence[str], sent_at: datetime) -> ScraperRecord:
    """The record after a message was sent."""
    notices = {name: time for name, time in record.notices.items() if name not in fingerprints}
    notices |= dict.fromkeys(fingerprints, sent_at)
    return record.model_copy(update={"notices": dict(list(notices.items())[-NOTICES_KEPT:])})


def is_told(record: ScraperRecord, fingerprint: str, now: datetime, repeat_after: timedelta) -> bool:
    """Whether this failure was told less than `repeat_after` ago."""
    told_at = record.notices.get(fingerprint)
    return told_at is not None and abs(now - told_at) < repeat_after
