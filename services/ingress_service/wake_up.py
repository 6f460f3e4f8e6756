"""Wakes the sweep as soon as something was accepted; its own schedule stays the net beneath."""

from __future__ import annotations

import threading
from typing import Protocol

import structlog

from packages.common.errors import IngressError
from services.ingress_service.web.signals.metrics import Metrics

MIN_INTERVAL_S = 0.5  # a run of the sweep takes longer, and lists everything that came meanwhile
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
STOP_S = 1.0  # an event under way may be lost: the schedule makes up for it

log = structlog.get_logger("ingress.wake_up")


class Events(Protocol):
    """Where wake-ups go."""

    def post(self) -> None:
        """Deliver one, or raise an `IngressError`."""

    def close(self) -> None:
        """Give up connections."""


class WakeUp:
    """Posts events from a thread of its own, so that no upload and no scrape waits for Airflow.

    The first item is told at once; what comes within half a second after it shares one event. While Airflow
    does not answer, the event stays due and is tried again after pauses that grow to a minute; such trouble
    is logged once when it begins and once when it is over.
    """

    def __init__(self, events: Events, metrics: Metrics) -> None:
        self._events = events
        self._metrics = metrics
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wake-up", daemon=True)
        self._pause_s = 0.0

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is still due then is left to the sweep's schedule. Repeating it is harmless."""
        self._stopping.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def notify(self, _item_id: str) -> None:
        """Say that an item was accepted; returns at once, from any thread."""
        self._due.set()

    async def on_accepted(self, item_id: str) -> None:
        """`notify` as the hook of an upload."""
        self.notify(item_id)

    def _run(self) -> None:
        while self._due.wait() and not self._stopping.is_set():
            self._due.clear()
            self._post()
            self._stopping.wait(self._pause_s or MIN_INTERVAL_S)
        self._events.close()

    def _post(self) -> None:
        try:
            self._events.post()
        except IngressError as error:
            self._metrics.woken(delivered=False)
            self._due.set()
            if not self._pause_s:
                log.warning("Airflow was not woken; the sweep's own schedule takes over", reason=str(error))
            self._pause_s = min(self._pause_s * 2 or FIRST_PAUSE_S, LONGEST_PAUSE_S)
            return
        self._metrics.woken(delivered=True)
        if self._pause_s:
            log.info("Airflow is woken again")
        self._pause_s = 0.0
