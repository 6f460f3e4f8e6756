"""When a scraper is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.ingress_service.scrapper.schedule import due, fire_times, schedules_at, trigger_of
from services.ingress_service.scrapper.scheduler import WakeTrigger
from tests.ingress.scrapper_rig import FRIDAY
from tests.ingress.scrapper_times import QUARTER, scraper


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


def test_fire_times_follow_the_clocks_of_the_time_zone():
    job = scraper(cron="30 2 * * *", timezone="Europe/Prague")
    spring = datetime(2026, 3, 28, 0, 0, tzinfo=UTC)
    days = [
        time.astimezone(ZoneInfo("Europe/Prague")).strftime("%d %H:%M") for time in _first(job, spring, 3)
    ]
    assert days[0] == "28 02:30"
    assert days[-1] in {"30 02:30", "31 02:30"}  # the night of the 29th has no half past two


def _first(job, after, count):
    times = fire_times(job, after)
    return [next(times) for _ in range(count)]


def test_several_schedules_fire_in_order_and_together_once():
    job = scraper(cron=None, crons=["0 9 * * *", "*/30 8,9 * * *"])
    assert [f"{time:%H:%M}" for time in _first(job, FRIDAY, 4)] == ["08:30", "09:00", "09:30", "08:00"]
    assert len(schedules_at(job, datetime(2026, 11, 20, 9, tzinfo=UTC))) == 1


def test_each_run_keeps_its_own_variables():
    runs = [{"cron": "0 20 * * *", "set": {"time": "00"}}, {"cron": "0 21 * * *", "set": {"time": "06"}}]
    job = scraper(cron=None, runs=runs, request={"url": "https://x.example/{time}"})
    evening = datetime(2026, 11, 20, 20, tzinfo=UTC)
    assert [one.values for one in schedules_at(job, evening)] == [{"time": "00"}]
    assert [one.values for one in schedules_at(job, evening + timedelta(hours=1))] == [{"time": "06"}]
    assert len(schedules_at(job, evening + timedelta(minutes=1))) == 2  # by hand: all of them


def test_what_is_due_late_and_coalesced():
    found = due(scraper(cron="* * * * *", grace_s=120), FRIDAY, FRIDAY + timedelta(minutes=5))
    assert found.run == (FRIDAY + timedelta(minutes=5),)
    late = [FRIDAY + timedelta(minutes=minute) for minute in (1, 2)]
    coalesced = [FRIDAY + timedelta(minutes=minute) for minute in (3, 4)]
    assert found.missed == tuple(
        [(time, "late") for time in late] + [(time, "coalesced") for time in coalesced]
    )


def test_without_coalescing_every_timely_firing_runs():
    found = due(scraper(cron="* * * * *", coalesce=False), FRIDAY, FRIDAY + timedelta(minutes=3))
    assert found.run == tuple(FRIDAY + timedelta(minutes=minute) for minute in (1, 2, 3))
    assert found.missed == ()


def test_runs_with_other_variables_are_not_coalesced():
    runs = [{"cron": "0 * * * *", "set": {"part": "a"}}, {"cron": "1 * * * *", "set": {"part": "b"}}]
    job = scraper(cron=None, runs=runs, request={"url": "https://x.example/{part}"})
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert due(job, FRIDAY, hour + timedelta(minutes=2)).run == (hour, hour + timedelta(minutes=1))


def test_a_wake_up_comes_within_the_jitter():
    plain, shaken = WakeTrigger(scraper()), WakeTrigger(scraper(jitter_s=60))
    assert plain.get_next_fire_time(None, FRIDAY) == FRIDAY + QUARTER
    delays = {(shaken.get_next_fire_time(None, FRIDAY) - FRIDAY - QUARTER).total_seconds() for _ in range(50)}
    assert 0 <= min(delays) < max(delays) <= 60
