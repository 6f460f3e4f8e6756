"""Cron schedules as triggers of APScheduler, with the meaning that cron gives them.

APScheduler counts weekdays from Monday and wants day and weekday to hold both; cron counts from Sunday and
fires when either holds. All times are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from packages.common.cron import checked_cron, weekdays


def trigger_of(cron: str) -> BaseTrigger:
    """The trigger of a schedule of five fields."""
    minute, hour, day, month, weekday = checked_cron(cron).split()
    days = ",".join(weekdays(weekday)) if weekday != "*" else "*"
    if day.startswith("*") or weekday.startswith("*"):
        return _trigger(minute, hour, day, month, days)
    return OrTrigger([_trigger(minute, hour, day, month, "*"), _trigger(minute, hour, "*", month, days)])


def _trigger(minute: str, hour: str, day: str, month: str, weekday: str) -> CronTrigger:
    return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=UTC)


def last_fire_time(cron: str, now: datetime, within: timedelta) -> datetime | None:
    """The latest time at or before `now` at which the schedule fired, None if that is longer ago."""
    trigger, found = trigger_of(cron), None
    fires_at = trigger.get_next_fire_time(None, now - within)
    while fires_at is not None and fires_at <= now:
        found = fires_at
        fires_at = trigger.get_next_fire_time(fires_at, fires_at + timedelta(seconds=1))
    return found
