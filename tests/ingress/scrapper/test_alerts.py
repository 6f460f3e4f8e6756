from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from packages.common.errors import NotificationError
from packages.common.models.configuration_model import Smtp
from packages.common.notify import Mail, Notification
from services.ingress_service.scrapper.alerts import fingerprint_of
from services.ingress_service.scrapper.history import Run
from tests.ingress.scrapper_rig import Rig, rig_at
from tests.ingress.scrapper_site import CSV, Site, running_site
from tests.ingress.scrapper_sun import configure_rows
from tests.rigs.smtp import Inbox

HOUR = timedelta(hours=1)


class Channel:
    """Takes messages in, or refuses them."""

    def __init__(self, channel: str = "mail", repeat_after: timedelta = 6 * HOUR) -> None:
        self.channel = channel
        self.repeat_after = repeat_after
        self.broken = False
        self.sent: list[Notification] = []

    def send(self, notification: Notification) -> None:
        if self.broken:
            raise NotificationError("no answer")
        self.sent.append(notification)


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as started:
        started.replies["/good"] = (200, {"Content-Type": "text/csv"}, CSV)
        yield started


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def rig(tmp_path: Path, site: Site, channel: Channel) -> Rig:
    rig = rig_at(tmp_path)
    rig.clock.now = rig.clock.now.replace(minute=0)
    rig.notifiers.append(channel)
    configure_rows(rig, site, ["good", "bad", "worse"])
    rig.scheduler().wake("sun")
    return rig


def wake_later(rig: Rig, by: timedelta = HOUR, replicas: int = 1) -> None:
    rig.clock.now += by
    for scheduler in [rig.scheduler() for _ in range(replicas)]:
        scheduler.wake("sun")


def test_one_message_for_one_run_and_none_for_a_repeat_within_the_time(rig: Rig, channel: Channel) -> None:
    for _ in range(5):
        wake_later(rig)
    (message,) = channel.sent
    assert message.subject == "Scraper sun: 2 of 3 requests failed"
    assert "/bad (path=bad)" in message.text
    assert "fetch_not_found" in message.text
    assert [one["row"] for one in message.data["failures"]] == ["path=bad", "path=worse"]
    wake_later(rig)
    wake_later(rig)
    assert len(channel.sent) == 2


def test_another_failure_is_told_at_once(rig: Rig, site: Site, channel: Channel) -> None:
    wake_later(rig)
    site.replies["/bad"] = (403, {}, b"")
    wake_later(rig)
    assert len(channel.sent) == 2


def test_replicas_tell_once(rig: Rig, channel: Channel) -> None:
    wake_later(rig, replicas=3)
    assert len(channel.sent) == 1


def test_what_could_not_be_told_is_told_with_the_next_firing(rig: Rig, channel: Channel) -> None:
    channel.broken = True
    wake_later(rig)
    channel.broken = False
    wake_later(rig)
    assert len(channel.sent) == 1


def test_each_channel_has_its_own_patience(rig: Rig, channel: Channel) -> None:
    hook = Channel("webhook", timedelta())
    rig.notifiers.append(hook)
    for _ in range(3):
        wake_later(rig)
    assert (len(channel.sent), len(hook.sent)) == (1, 3)


def test_success_and_runs_by_hand_tell_nobody(rig: Rig, site: Site, channel: Channel) -> None:
    rig.scheduler().run_now("sun")
    site.replies |= dict.fromkeys(("/bad", "/worse"), site.replies["/good"])
    wake_later(rig)
    assert channel.sent == []


def test_a_mail_server_receives_exactly_the_mails_it_should(rig: Rig, site: Site, inbox: Inbox) -> None:
    fields = {
        "host": "127.0.0.1",
        "port": inbox.port,
        "security": "none",
        "notify_to": "a@x",
        "from_email": "b@x",
    }
    rig.notifiers[:] = [Mail(Smtp.model_validate(fields), None)]
    for _ in range(5):
        wake_later(rig, replicas=3)
    site.replies["/bad"] = (200, {"Content-Type": "text/html"}, b"<p>")
    wake_later(rig, replicas=3)
    site.replies |= dict.fromkeys(("/bad", "/worse"), site.replies["/good"])
    wake_later(rig, replicas=3)
    assert inbox.subjects == ["Scraper sun: 2 of 3 requests failed"] * 2


def failed(reason: str, kind: str = "fetch") -> Run:
    now = datetime.now(UTC)
    key = uuid.uuid4().hex
    return Run(scrapper="s", fired_at=now, finished_at=now, state="failed", kind=kind, reason=reason, key=key)


def test_failures_are_the_same_where_only_addresses_dates_and_rows_differ() -> None:
    one = fingerprint_of([failed("http://x/20261120/a: status 503"), failed("http://x/b: status 503")])
    assert one == fingerprint_of([failed("http://x/20261121/a: status 503")])
    assert one != fingerprint_of([failed("http://x/20261121/a: status 502")])
    assert one != fingerprint_of([failed("http://x/20261121/a: status 503", "other")])
