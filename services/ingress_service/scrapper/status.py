"""One scraper as `GET /api/v1/scrappers` and the metrics show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ingress_service.scrapper.history import FiringRecord, MissedWindow, Run, ScraperRecord
from services.ingress_service.scrapper.model import Job
from services.ingress_service.scrapper.requests import public_url

RUNS_SHOWN = 200


@dataclass(frozen=True)
class ScrapperStatus:
    """What a scraper is about to do, and what became of it; times in UTC.

    `last_runs` are those of the last firing, `requests` the last run of every request that is remembered.
    """

    name: str
    cron: str
    time_zone: str
    url: str
    next_run_at: datetime | None
    running: bool
    last_runs: tuple[Run, ...]
    requests: tuple[Run, ...]
    firings: tuple[FiringRecord, ...]
    missed: tuple[MissedWindow, ...]


def status_of(
    job: Job, record: ScraperRecord, next_run_at: datetime | None, *, running: bool
) -> ScrapperStatus:
    """The status that follows from a record; failures come first where not all requests are shown."""
    requests = sorted(
        record.requests.values(), key=lambda run: (run.state != "failed", run.request, run.page)
    )
    return ScrapperStatus(
        name=job.name,
        cron=job.scrapper.schedule,
        time_zone=job.scrapper.timezone,
        url=public_url(job.scrapper.shown_url),
        next_run_at=next_run_at,
        running=running,
        last_runs=tuple(record.last_runs[:RUNS_SHOWN]),
        requests=tuple(requests[:RUNS_SHOWN]),
        firings=tuple(reversed(record.firings)),
        missed=tuple(record.missed),
    )
