"""The end of a sweep of the whole queue."""

from __future__ import annotations

from datetime import UTC, datetime

from packages.common.last_sweep import LastSweep, note_sweep
from packages.common.settings import Settings
from services.extractor_service.places import open_queue
from services.extractor_service.report import SweepReport


def end_sweep(settings: Settings, done: SweepReport, dag_run_id: str | None = None) -> None:
    """Note in the queue when a sweep ended, and what it did; trouble with that is only logged."""
    counts = {name: count for name, count in done.counts().items() if count}
    sweep = LastSweep(ended_at=datetime.now(UTC), items=counts, dag_run_id=dag_run_id)
    note_sweep(open_queue(settings).storage, sweep)
