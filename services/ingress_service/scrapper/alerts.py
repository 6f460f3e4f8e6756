"""Tells people that a scraper fails: one message for one run, none for a repeat within a set time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import structlog

from packages.common.errors import IngressError
from packages.common.notify import Notification, Notifier
from packages.common.wording import counted
from services.ingress_service.scrapper.history import Firing, Run, is_told, with_notice
from services.ingress_service.scrapper.model import Job
from services.ingress_service.scrapper.records import Records

SHOWN = 20
_CHANGING = re.compile(r"https?://\S+|\d{4,}")

log = structlog.get_logger("scraper")


class Alerts:
    """Sends through every channel that has not told the same failure lately, once for all replicas."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        records: Records,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._notifiers = notifiers
        self._records = records
        self._now = clock

    def after(self, job: Job, firing: Firing) -> None:
        """Tell what failed in a firing, if anything; a channel that is out of order is only logged."""
        if not firing.failures:
            return
        message = notification_of(job, firing)
        for notifier in self._notifiers:
            self._tell(job.name, notifier, firing, message)

    def _tell(self, name: str, notifier: Notifier, firing: Firing, message: Notification) -> None:
        fingerprint = f"{notifier.channel}:{fingerprint_of(firing.failures)}"
        if is_told(self._records.known(name), fingerprint, self._now(), notifier.repeat_after):
            return
        if not self._records.claim(name, f"{firing.fired_at:%Y%m%dT%H%M%S}-{notifier.channel}"):
            return
        try:
            notifier.send(message)
        except IngressError as error:
            log.warning("nobody was told", scraper=name, channel=notifier.channel, reason=str(error))
            return
        self._records.update(name, partial(with_notice, fingerprints=[fingerprint], sent_at=self._now()))


def fingerprint_of(failures: Sequence[Run]) -> str:
    """The same for failures that differ only in rows, addresses, dates and large numbers."""
    reasons = {f"{run.kind}: {_CHANGING.sub('#', run.reason or '')}" for run in failures}
    return hashlib.sha256("\n".join(sorted(reasons)).encode()).hexdigest()[:16]


def notification_of(job: Job, firing: Firing) -> Notification:
    """What is sent about a firing with failures."""
    failed, count = len(firing.failures), len(firing.runs)
    return Notification(
        subject=f"Scraper {job.name}: {failed} of {counted(count, 'request')} failed",
        text="\n".join(_lines(job, firing)),
        data={
            "scraper": job.name,
            "fired_at": firing.fired_at.isoformat(),
            "counts": firing.counts,
            "failures": [
                {"request": run.request, "row": run.row, "kind": run.kind, "reason": run.reason}
                for run in firing.failures[:SHOWN]
            ],
        },
    )


def _lines(job: Job, firing: Firing) -> Iterator[str]:
    yield f"The scraper {job.name} fired at {firing.fired_at:%Y-%m-%d %H:%M:%S} UTC."
    yield ", ".join(f"{count} {state}" for state, count in sorted(firing.counts.items()))
    yield ""
    for run in firing.failures[:SHOWN]:
        yield f"- {run.request or 'no request'}{f' ({run.row})' if run.row else ''}"
        yield f"  {run.kind}: {run.reason}"
    if len(firing.failures) > SHOWN:
        yield f"… and {len(firing.failures) - SHOWN} more"
    yield ""
    yield "Requests that succeeded are queued. The next firing tries again by itself."
