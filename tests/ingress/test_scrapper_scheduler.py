from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from packages.common.models.configuration_model import Scrapper
from services.ingress_service.scrapper import scheduler as scheduler_module
from services.ingress_service.scrapper.jobs import Run
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from services.ingress_service.scrapper.triggers import last_fire_time, trigger_of

FRIDAY = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)


class FakeJob:
    """Takes the place of `ScrapeJob`: notes what was run."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, datetime]] = []
        self.done = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        self.stopped = False

    def run(self, scrapper, fired_at):
        self.ran.append((scrapper.name, fired_at))
        self.done.set()
        self.hold.wait(10)
        return [Run(scrapper.name, fired_at, "failed", "sun/x", fired_at, "fetch", "status 404")]

    def stop(self):
        self.stopped = True


def scraper(name="sun", cron="*/15 * * * *") -> Scrapper:
    return Scrapper(name=name, schema_name="s", cron=cron, url=f"https://{name}.example/x?key=hidden")


@pytest.fixture
def job():
    return FakeJob()


@pytest.fixture
def start(job):
    started = []

    def start(*scrappers):
        scheduler = ScrapperScheduler(scrappers, job)
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield start
    job.hold.set()
    for scheduler in started:
        scheduler.shutdown()


def next_times(cron, count=3, after=FRIDAY):
    trigger, times, now = trigger_of(cron), [], after
    for _ in range(count):
        now = trigger.get_next_fire_time(None, now + timedelta(seconds=1))
        times.append(now.strftime("%a %d %H:%M"))
    return times


@pytest.mark.parametrize(
    ("cron", "times"),
    [
        ("*/15 * * * *", ["Fri 20 08:30", "Fri 20 08:45", "Fri 20 09:00"]),
        ("0 6 * * 0", ["Sun 22 06:00", "Sun 29 06:00", "Sun 06 06:00"]),
        ("0 6 * * 7", ["Sun 22 06:00", "Sun 29 06:00", "Sun 06 06:00"]),
        ("0 6 * * 1-5", ["Mon 23 06:00", "Tue 24 06:00", "Wed 25 06:00"]),
        ("0 6 * * mon", ["Mon 23 06:00", "Mon 30 06:00", "Mon 07 06:00"]),
        ("0 6 25 * 0", ["Sun 22 06:00", "Wed 25 06:00", "Sun 29 06:00"]),
        ("30 5/6 * * *", ["Fri 20 11:30", "Fri 20 17:30", "Fri 20 23:30"]),
        ("0 0 1 jan,mar *", ["Fri 01 00:00", "Mon 01 00:00", "Sat 01 00:00"]),
    ],
)
def test_schedules_mean_what_cron_means(cron, times):
    assert next_times(cron) == times


@pytest.mark.parametrize(
    ("cron", "second", "expected"),
    [
        ("*/15 * * * *", 0, FRIDAY),
        ("*/15 * * * *", 59, FRIDAY),
        ("* * * * *", 130, FRIDAY + timedelta(minutes=2)),
        ("*/15 * * * *", 299, FRIDAY),
        ("*/15 * * * *", 301, None),
        ("0 6 * * *", 0, None),
    ],
)
def test_fire_time_is_found_from_the_schedule_not_from_the_clock(cron, second, expected):
    now = FRIDAY + timedelta(seconds=second)
    assert last_fire_time(cron, now, timedelta(minutes=5)) == expected


def test_status_before_any_run(start):
    (status,) = start(scraper()).status()
    assert (status.name, status.cron, status.url) == ("sun", "*/15 * * * *", "https://sun.example/x")
    assert (status.running, status.last_runs) == (False, ())
    assert datetime.now(UTC) < status.next_run_at <= datetime.now(UTC) + timedelta(minutes=15)


def test_run_now_runs_and_is_remembered(start, job):
    scheduler = start(scraper("sun"), scraper("moon"))
    (done,) = scheduler.run_now("moon")
    assert abs(done.fired_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert done.fired_at.microsecond == 0
    assert job.ran == [("moon", done.fired_at)]
    assert {status.name: status.last_runs for status in scheduler.status()} == {"sun": (), "moon": (done,)}
    with pytest.raises(KeyError):
        scheduler.run_now("mars")


def test_a_running_scraper_says_so(start, job):
    scheduler = start(scraper())
    job.hold.clear()
    thread = threading.Thread(target=scheduler.run_now, args=("sun",))
    thread.start()
    assert job.done.wait(5)
    assert scheduler.status()[0].running
    job.hold.set()
    thread.join()
    assert not scheduler.status()[0].running


def test_the_schedule_fires_with_its_own_time(start, job, monkeypatch):
    soon = datetime.now(UTC) + timedelta(milliseconds=100)
    monkeypatch.setattr(
        scheduler_module, "trigger_of", lambda _cron: IntervalTrigger(hours=1, start_date=soon)
    )
    monkeypatch.setattr(scheduler_module, "last_fire_time", lambda cron, now, within: FRIDAY)
    start(scraper())
    assert job.done.wait(5)
    assert job.ran == [("sun", FRIDAY)]


def test_alive_from_start_to_shutdown(job):
    scheduler = ScrapperScheduler([scraper()], job)
    assert not scheduler.alive
    scheduler.start()
    assert scheduler.alive
    scheduler.shutdown()
    scheduler.shutdown()
    assert not scheduler.alive
    assert job.stopped
    assert scheduler.status()[0].next_run_at is None


def test_shutdown_leaves_no_thread_behind(job):
    before = threading.active_count()
    scheduler = ScrapperScheduler([scraper()], job)
    scheduler.start()
    scheduler.run_now("sun")
    scheduler.shutdown()
    assert threading.active_count() == before


def test_a_scheduler_without_scrapers_is_alive(start):
    scheduler = start()
    assert scheduler.alive
    assert scheduler.status() == []
