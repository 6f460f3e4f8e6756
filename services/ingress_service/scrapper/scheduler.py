"""When scrapers fire, what they did last, and running one now or for a window that was missed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from services.ingress_service.scrapper.alerts import Alerts
from services.ingress_service.scrapper.clock_watch import ClockWatch
from services.ingress_service.scrapper.history import (
    Firing,
    ScraperRecord,
    TriggeredBy,
    begun,
    settled,
    with_firing,
    with_missed,
)
from services.ingress_service.scrapper.jobs import OnProgress, ScrapeJob
from services.ingress_service.scrapper.model import Job
from services.ingress_service.scrapper.records import Change, Records
from services.ingress_service.scrapper.schedule import due, fire_times
from services.ingress_service.scrapper.status import ScrapperStatus, status_of

THREADS_PER_SCRAPER = 2
"""One for the firing under way, one for a wake-up that waits for its end: no scraper waits for another."""

MAX_WINDOWS = 10_000

log = structlog.get_logger("scraper")


def utc_now() -> datetime:
    """The time, where no test has another."""
    return datetime.now(UTC)


class WakeTrigger(BaseTrigger):  # type: ignore[misc]
    """Wakes a scraper at its next fire time, or up to `jitter_s` later."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime | None:
        """When APScheduler is to call next."""
        fires_at = next(fire_times(self._job, now), None)
        late_s = random.uniform(0, self._job.scrapper.jitter_s)
        return fires_at + timedelta(seconds=late_s) if fires_at is not None else None


class ScrapperScheduler:
    """Runs scrapers by their schedules, in threads of its own.

    APScheduler is the alarm clock. Which fire times are due, late or coalesced follows from the schedule and
    from what the shared record says is settled, so that it is the same after a restart and in every replica.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        job: ScrapeJob,
        records: Records,
        alerts: Alerts | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._jobs = {one.name: one for one in jobs}
        self._job = job
        self._records = records
        self._alerts = alerts
        self._now = clock
        self._followed = dict.fromkeys(self._jobs, clock())
        self._met: set[str] = set()
        self._locks = {name: threading.Lock() for name in self._jobs}
        self._counting = threading.Lock()
        self._running = dict.fromkeys(self._jobs, 0)
        threads = ThreadPoolExecutor(max(1, THREADS_PER_SCRAPER * len(self._jobs)))
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": threads},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 2},
        )
        self._clock_watch = ClockWatch(self.clock_was_set)

    def start(self) -> None:
        """Begin to fire, first what is due since the last process stopped."""
        for name, job in self._jobs.items():
            self._scheduler.add_job(
                self.wake, WakeTrigger(job), [name], id=name, next_run_time=datetime.now(UTC)
            )
        self._scheduler.start()
        self._clock_watch.start()

    def clock_was_set(self) -> None:
        """Wake every scraper, to see what is due by the clock of now."""
        for name in self._jobs:
            self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def shutdown(self) -> None:
        """Stop firing and retrying, wait for the requests in flight; repeating it is harmless."""
        self._job.stop()
        self._clock_watch.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    @property
    def alive(self) -> bool:
        """Whether scrapers are being fired."""
        return bool(self._scheduler.running)

    def wake(self, name: str) -> None:
        """Run whatever is due for a scraper, one firing after the other, and note what was missed."""
        job = self._jobs[name]
        with self._locks[name]:
            while not self._job.stopped and self._run_due(job):
                pass

    def _run_due(self, job: Job) -> bool:
        """Whether something was due; then more may be by now."""
        now = self._now()
        self._followed[job.name] = min(self._followed[job.name], now)
        if job.name in self._met and next(fire_times(job, self._followed[job.name], now), None) is None:
            return False
        self._met.add(job.name)
        read, begin = self._records.read(job.name), self._begin(job, now)
        record = begin(read)
        since = record.settled_until or now
        found = due(job, since, now)
        self._followed[job.name] = since
        if found.missed or record is not read:
            until = min(found.run) - timedelta(microseconds=1) if found.run else now
            missed = partial(with_missed, missed=found.missed)
            self._records.update(job.name, begin, missed, partial(settled, until=until))
            self._followed[job.name] = until
        for fired_at, reason in found.missed:
            log.warning("missed", scraper=job.name, fired_at=fired_at.isoformat(), reason=reason)
        for fired_at in found.run:
            if not self._fire(job, fired_at, "schedule").complete:
                return False
            self._followed[job.name] = fired_at
        return bool(found.run)

    def _begin(self, job: Job, now: datetime) -> Change:
        """Takes a record over that another schedule has been written in, as while replicas are replaced."""
        return partial(begun, schedule=job.scrapper.schedule, since=self._followed[job.name], now=now)

    def run_now(self, name: str, on_progress: OnProgress | None = None) -> Firing:
        """Run a scraper once, in this thread, as if it fired now; `KeyError` for an unknown name."""
        return self._fire(self._jobs[name], self._now().replace(microsecond=0), "manual", on_progress)

    def backfill(
        self, name: str, windows: Iterable[datetime], on_progress: OnProgress | None = None
    ) -> list[Firing]:
        """Run a scraper for fire times that lie behind, in order, until a stop."""
        firings: list[Firing] = []
        for fired_at in sorted(windows):
            if self._job.stopped:
                break
            firings.append(self._fire(self._jobs[name], fired_at, "backfill", on_progress))
        return firings

    def windows(
        self, name: str, since: datetime | None = None, until: datetime | None = None
    ) -> list[datetime]:
        """Fire times that may be back-filled: the missed ones, or with `since` all, in order."""
        now = self._now()
        if since is None:
            missed = (one.fired_at for one in self._records.read(name).missed)
            return sorted(time for time in missed if until is None or time <= until)
        times = fire_times(self._jobs[name], since - timedelta(microseconds=1), min(until or now, now))
        return list(islice(times, MAX_WINDOWS))

    def status(self) -> list[ScrapperStatus]:
        """Every scraper, in the order of the configuration, as the shared records know it."""
        return [self._status(job, self._records.read(name)) for name, job in self._jobs.items()]

    def known_status(self) -> list[ScrapperStatus]:
        """The same, as this process last saw it: asks no storage."""
        return [self._status(job, self._records.known(name)) for name, job in self._jobs.items()]

    def _status(self, job: Job, record: ScraperRecord) -> ScrapperStatus:
        next_run_at = next(fire_times(job, self._now()), None) if self.alive else None
        return status_of(job, record, next_run_at, running=self._running[job.name] > 0)

    def _fire(
        self, job: Job, fired_at: datetime, by: TriggeredBy, on_progress: OnProgress | None = None
    ) -> Firing:
        self._count(job.name, 1)
        try:
            record = self._records.known(job.name) if by == "schedule" else self._records.read(job.name)
            firing = self._job.run(job, fired_at, record, on_progress)
            changes: list[Change] = [partial(with_firing, firing=firing, triggered_by=by)]
            if by == "schedule" and firing.complete:
                changes.append(partial(settled, until=fired_at))
            self._records.update(job.name, *changes)
            if by == "schedule" and self._alerts is not None:
                self._alerts.after(job, firing)
            return firing
        finally:
            self._count(job.name, -1)

    def _count(self, name: str, step: int) -> None:
        with self._counting:
            self._running[name] += step
