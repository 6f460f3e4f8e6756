"""When scrapers fire, what they did last, and running one now."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from packages.common.models.configuration_model import Scrapper
from services.ingress_service.scrapper.jobs import Run, ScrapeJob
from services.ingress_service.scrapper.requests import public_url
from services.ingress_service.scrapper.triggers import last_fire_time, trigger_of

MISFIRE_GRACE = timedelta(minutes=5)
"""How late a run may start; what was missed by more than this waits for the next firing."""
THREADS = 8

log = structlog.get_logger("scraper")


@dataclass(frozen=True)
class ScrapperStatus:
    """One scraper as `GET /api/v1/scrappers` shows it; times in UTC."""

    name: str
    cron: str
    url: str
    next_run_at: datetime | None
    running: bool
    last_runs: tuple[Run, ...]


class ScrapperScheduler:
    """Runs scrapers by their schedules, in threads of its own."""

    def __init__(self, scrappers: Sequence[Scrapper], job: ScrapeJob) -> None:
        self._scrappers = {scrapper.name: scrapper for scrapper in scrappers}
        self._job = job
        self._lock = threading.Lock()
        self._last: dict[str, tuple[Run, ...]] = {}
        self._running: dict[str, int] = {}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={
                "misfire_grace_time": int(MISFIRE_GRACE.total_seconds()),
                "coalesce": True,
                "max_instances": 1,
            },
        )

    def start(self) -> None:
        """Begin to fire."""
        for scrapper in self._scrappers.values():
            self._scheduler.add_job(self._fire, trigger_of(scrapper.cron), [scrapper], id=scrapper.name)
        self._scheduler.start()

    def shutdown(self) -> None:
        """Stop firing and retrying, wait for the runs in flight; repeating it is harmless."""
        self._job.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    @property
    def alive(self) -> bool:
        """Whether scrapers are being fired."""
        return bool(self._scheduler.running)

    def run_now(self, name: str) -> list[Run]:
        """Run a scraper once, in this thread, as if it fired now; `KeyError` for an unknown name."""
        return self._run(self._scrappers[name], datetime.now(UTC).replace(microsecond=0))

    def status(self) -> list[ScrapperStatus]:
        """Every scraper, in the order of the configuration."""
        return [self._status(scrapper) for scrapper in self._scrappers.values()]

    def _status(self, scrapper: Scrapper) -> ScrapperStatus:
        job = self._scheduler.get_job(scrapper.name) if self.alive else None
        with self._lock:
            return ScrapperStatus(
                name=scrapper.name,
                cron=scrapper.cron,
                url=public_url(scrapper.url),
                next_run_at=job.next_run_time if job is not None else None,
                running=self._running.get(scrapper.name, 0) > 0,
                last_runs=self._last.get(scrapper.name, ()),
            )

    def _fire(self, scrapper: Scrapper) -> None:
        now = datetime.now(UTC)
        self._run(scrapper, last_fire_time(scrapper.cron, now, MISFIRE_GRACE) or now)

    def _run(self, scrapper: Scrapper, fired_at: datetime) -> list[Run]:
        self._count(scrapper.name, 1)
        try:
            runs = self._job.run(scrapper, fired_at)
            with self._lock:
                self._last[scrapper.name] = tuple(runs)
            return runs
        finally:
            self._count(scrapper.name, -1)

    def _count(self, name: str, step: int) -> None:
        with self._lock:
            self._running[name] = self._running.get(name, 0) + step
