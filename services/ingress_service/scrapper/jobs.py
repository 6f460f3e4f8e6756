"""What one firing of a scraper does: all its requests, none of which keeps another from being made."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import structlog

from packages.common.errors import IngressError
from packages.common.queue import Queue
from services.ingress_service.scrapper.credentials import credentials_of
from services.ingress_service.scrapper.history import Firing, Run, ScraperRecord
from services.ingress_service.scrapper.limits import HostLimits
from services.ingress_service.scrapper.model import Job
from services.ingress_service.scrapper.requests import render
from services.ingress_service.scrapper.retries import Limits
from services.ingress_service.scrapper.scraping import Check, OnStored, Scraping
from services.ingress_service.scrapper.task import Task

OnProgress = Callable[[int, int], None]
"""Told how many requests of a firing are done, and how many it has."""
PLAN = "plan"
"""The key of a run that stands for a firing whose requests could not be made."""
HOST_CONCURRENCY, HOST_PER_SECOND = 4, 5.0

log = structlog.get_logger("scraper")


class ScrapeJob:
    """Runs firings; shared by all scrapers and safe to run in several threads."""

    def __init__(
        self,
        queue: Queue,
        check: Check,
        limits: Limits,
        on_stored: OnStored | None = None,
        *,
        hosts: HostLimits | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        hosts = hosts or HostLimits(HOST_CONCURRENCY, HOST_PER_SECOND)
        self._scraping = Scraping(queue, check, limits, hosts, on_stored)
        self._environment = environment

    @property
    def stopped(self) -> bool:
        """Whether no further request is begun."""
        return self._scraping.stopping.is_set()

    def stop(self) -> None:
        """Let the requests in flight end, without another try and without another request."""
        self._scraping.stopping.set()

    def run(
        self,
        job: Job,
        fired_at: datetime,
        record: ScraperRecord | None = None,
        on_progress: OnProgress | None = None,
    ) -> Firing:
        """Make the requests of a firing; what failed is among its runs, nothing is raised."""
        try:
            tasks = self._tasks(job, fired_at)
        except IngressError as error:
            log.warning("scrape failed", scraper=job.name, kind=error.kind, reason=error.message)
            return _firing(fired_at, [_unplanned(job, fired_at, error.kind, str(error))])
        except Exception:
            log.exception("scrape failed", scraper=job.name)
            reason = "internal error, see the log"
            return _firing(fired_at, [_unplanned(job, fired_at, "internal", reason)])
        known = (record or ScraperRecord()).requests
        done = self._all(job, tasks, lambda task: list(self._scraping.runs(task, known.get)), on_progress)
        return _firing(fired_at, [run for runs in done for run in runs], complete=not self.stopped)

    def _tasks(self, job: Job, fired_at: datetime) -> list[Task]:
        credentials = credentials_of(job.scrapper, self._environment)
        return [
            Task(job.scrapper, fired_at, request, credentials=credentials)
            for request in render(job, fired_at)
        ]

    def _all(
        self,
        job: Job,
        tasks: list[Task],
        act: Callable[[Task], list[Run]],
        on_progress: OnProgress | None,
    ) -> list[list[Run]]:
        count = itertools.count(1)

        def one(task: Task) -> list[Run]:
            runs = [] if self.stopped else act(task)
            if on_progress is not None:
                on_progress(next(count), len(tasks))
            return runs

        return list(_mapped(one, tasks, min(job.scrapper.concurrency, len(tasks))))


def _mapped(act: Callable[[Task], list[Run]], tasks: Iterable[Task], concurrency: int) -> Iterable[list[Run]]:
    if concurrency <= 1:
        return map(act, tasks)
    with ThreadPoolExecutor(concurrency, thread_name_prefix="scrape") as pool:
        return list(pool.map(act, tasks))


def _firing(fired_at: datetime, runs: list[Run], *, complete: bool = True) -> Firing:
    return Firing(fired_at=fired_at, finished_at=datetime.now(UTC), runs=runs, complete=complete)


def _unplanned(job: Job, fired_at: datetime, kind: str, reason: str) -> Run:
    now = datetime.now(UTC)
    return Run(
        scrapper=job.name,
        fired_at=fired_at,
        finished_at=now,
        state="failed",
        kind=kind,
        reason=reason,
        key=PLAN,
    )
