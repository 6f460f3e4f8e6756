"""When a job fires: the fire times of its schedules, and which of them are due, late or skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from packages.common.cron import checked_cron, weekdays
from services.ingress_service.scrapper.model import Job, Schedule

LOOK_BACK = timedelta(days=7)
"""How far back fire times are looked at: a week of every minute is ten thousand."""


@dataclass(frozen=True)
class Due:
    """Fire times to run now, in order, and those that are missed with the reason."""

    run: tuple[datetime, ...] = ()
    missed: tuple[tuple[datetime, str], ...] = ()


def trigger_of(cron: str, zone: ZoneInfo | None = None) -> BaseTrigger:
    """The trigger of a schedule of five fields, with the meaning that cron gives them.

    APScheduler counts weekdays from Monday and wants day and weekday to hold both; cron counts from Sunday
    and fires when either holds.
    """
    minute, hour, day, month, weekday = checked_cron(cron).split()
    days = ",".join(weekdays(weekday)) if weekday != "*" else "*"
    tz = zone or UTC
    if day.startswith("*") or weekday.startswith("*"):
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=days, timezone=tz)
    by_day = CronTrigger(minute=minute, hour=hour, day=day, month=month, timezone=tz)
    by_weekday = CronTrigger(minute=minute, hour=hour, month=month, day_of_week=days, timezone=tz)
    return OrTrigger([by_day, by_weekday])


@lru_cache(maxsize=1024)
def _trigger(cron: str, timezone: str) -> BaseTrigger:
    return trigger_of(cron, ZoneInfo(timezone))


def fire_times(job: Job, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
    """The fire times behind `after`, up to `until`, in order and in UTC."""
    triggers = [_trigger(schedule.cron, job.scrapper.timezone) for schedule in job.schedules]
    now = after
    while True:
        start = now + timedelta(microseconds=1)
        found = [
            time for trigger in triggers if (time := trigger.get_next_fire_time(None, start)) is not None
        ]
        if not found:
            return
        now = min(found).astimezone(UTC)
        if until is not None and now > until:
            return
        yield now


def schedules_at(job: Job, fired_at: datetime) -> list[Schedule]:
    """The schedules that fire at a time, each set of values once; all of them for a time that none has."""
    before = fired_at - timedelta(microseconds=1)
    firing = [
        schedule
        for schedule in job.schedules
        if _trigger(schedule.cron, job.scrapper.timezone).get_next_fire_time(None, before) == fired_at
    ]
    chosen: list[Schedule] = []
    for schedule in firing or job.schedules:
        if all(schedule.values != other.values for other in chosen):
            chosen.append(schedule)
    return chosen


def due(job: Job, settled_until: datetime, now: datetime) -> Due:
    """What is to be done about the fire times in (`settled_until`, `now`]."""
    oldest = max(settled_until, now - LOOK_BACK)
    waiting = list(fire_times(job, oldest, now))
    grace = timedelta(seconds=job.scrapper.grace_s + job.scrapper.jitter_s)
    missed = [(time, "late") for time in waiting if now - time > grace]
    timely = [time for time in waiting if now - time <= grace]
    run = _last_of_each(job, timely) if job.scrapper.coalesce else timely
    return Due(tuple(run), tuple(missed) + tuple((time, "coalesced") for time in timely if time not in run))


def _last_of_each(job: Job, times: list[datetime]) -> list[datetime]:
    """The latest fire time for each set of values; what an earlier one of the set would fetch is outdated."""
    last = {
        tuple(sorted(schedule.values.items())): time for time in times for schedule in schedules_at(job, time)
    }
    return sorted(set(last.values()))
