"""Notices that the clock of this machine was set, by one that nobody can set."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

LOOK_S = 20.0
STEP_S = 30.0
"""What a clock that is only slewed (at most 500 ppm) gains or loses in most of a day."""

log = structlog.get_logger("scraper")


class ClockWatch:
    """Calls `on_step` when the time jumps, also by the sleep of a whole machine.

    An alarm that was set before is late after a jump ahead, and years away after one back from a wrong year.
    """

    def __init__(
        self,
        on_step: Callable[[], None],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_step, self._clock, self._steady = on_step, clock, steady
        self._ahead_s = clock() - steady()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def start(self) -> None:
        """Begin to look, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End; repeating it is harmless."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Compare the clocks."""
        ahead_s = self._clock() - self._steady()
        step_s, self._ahead_s = ahead_s - self._ahead_s, ahead_s
        if abs(step_s) > STEP_S:
            log.warning("the clock was set, schedules are looked at anew", step_s=round(step_s))
            self._on_step()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self.look()
