"""Clocks that are set while scrapers run, and what one that was wrong has left behind."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.scrapper.clock_watch import LOOK_S, ClockWatch
from services.ingress_service.scrapper.history import ScraperRecord, is_told, with_notice
from services.ingress_service.scrapper.records import Records
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from tests.ingress.scrapper.test_scheduler import FakeJob
from tests.ingress.scrapper_rig import FRIDAY, Clock
from tests.ingress.scrapper_times import QUARTER, scraper
from tests.rigs.waiting import wait_until

DECADE = timedelta(days=3650)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def job():
    return FakeJob()


@pytest.fixture
def build(tmp_path, job, clock):
    settings = Settings(_env_file=None, s3_store_url=tmp_path.as_uri())
    records = Records(ObjectStorage((tmp_path / "queue").as_uri(), settings))
    return lambda: ScrapperScheduler([scraper()], job, records, clock=clock)


@pytest.mark.parametrize("ahead", [timedelta(hours=3), DECADE])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_was_ahead_keeps_no_scraper_from_firing_now(build, job, clock, ahead, restarted):
    scheduler = build()
    clock.now = FRIDAY + ahead
    scheduler.wake("sun")
    clock.now += QUARTER
    scheduler.wake("sun")
    assert job.times[-1] == FRIDAY + ahead + QUARTER
    job.ran.clear()
    clock.now = FRIDAY
    scheduler = build() if restarted else scheduler
    scheduler.wake("sun")
    assert job.times == []
    for number in (1, 2):
        clock.now = FRIDAY + number * QUARTER
        scheduler.wake("sun")
    assert job.times == [FRIDAY + QUARTER, FRIDAY + 2 * QUARTER]


def test_a_replica_a_little_ahead_has_fired_for_both(build, job, clock):
    other, scheduler = build(), build()
    for one in (other, scheduler):
        one.wake("sun")
    clock.now = FRIDAY + QUARTER
    other.wake("sun")
    clock.now -= timedelta(seconds=20)
    scheduler.wake("sun")
    clock.now += timedelta(seconds=20)
    scheduler.wake("sun")
    assert job.times == [FRIDAY + QUARTER]


def test_a_failure_told_in_the_future_is_told_again():
    record = with_notice(ScraperRecord(), ["mail:x"], FRIDAY + DECADE)
    assert not is_told(record, "mail:x", FRIDAY, timedelta(hours=6))
    assert is_told(record, "mail:x", FRIDAY + DECADE, timedelta(hours=6))


@pytest.mark.parametrize("step_s", [-DECADE.total_seconds(), -3600.0, 3600.0])
def test_a_step_of_the_clock_is_noticed_once(step_s):
    steady, offset, steps = [100.0], [0.0], []
    watch = ClockWatch(lambda: steps.append(1), lambda: steady[0] + offset[0], lambda: steady[0])
    for _ in range(3):
        steady[0] += LOOK_S
        offset[0] += 0.5
        watch.look()
    assert steps == []
    offset[0] += step_s
    watch.look()
    watch.look()
    assert steps == [1]


def test_every_scraper_wakes_when_the_clock_is_set(build, job, clock):
    scheduler = build()
    scheduler.start()
    try:
        wait_until(lambda: scheduler.status()[0].next_run_at)
        scheduler.wake("sun")
        clock.now = FRIDAY + QUARTER
        scheduler.clock_was_set()
        wait_until(lambda: job.times == [FRIDAY + QUARTER])
    finally:
        scheduler.shutdown()
    assert not [one for one in threading.enumerate() if one.name == "clock"]
