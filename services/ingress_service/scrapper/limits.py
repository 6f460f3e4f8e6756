"""How hard one host may be asked, by all scrapers of this process together."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from services.ingress_service.scrapper.errors import FetchUnavailableError

POLL_S = 0.2
SHORT_WAIT_S = 300.0
"""A scraper waits this long for its turn; a host that asks for more is left alone until the next firing."""
LONGEST_HOLD_S = 86400.0
"""For `Retry-After` by a clock that is wrong, or by mistake."""


class HostLimits:
    """Requests in flight, requests a second, and the time that a host has asked to be left alone."""

    def __init__(
        self, concurrency: int, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._places = defaultdict[str, threading.Semaphore](lambda: threading.Semaphore(concurrency))
        self._buckets = defaultdict[str, dict[float, InMemoryBucket]](dict)
        self._not_before: dict[str, float] = {}

    def hold(self, host: str, seconds: float) -> None:
        """Ask nothing of a host for so long, at most a day."""
        until = self._clock() + min(seconds, LONGEST_HOLD_S)
        with self._lock:
            self._not_before[host] = max(self._not_before.get(host, 0.0), until)

    @contextmanager
    def turn(self, host: str, per_second: float | None, stopping: threading.Event) -> Iterator[None]:
        """One request to a host; waits until it may begin.

        `per_second` is what one scraper wants; the strictest of those that ask this host holds for all.
        Raises `FetchUnavailableError` where the host has asked for a long pause, or at a stop.
        """
        place = self._place(host)
        while not place.acquire(timeout=POLL_S):
            _refuse_stop(host, stopping)
        try:
            self._wait(host, per_second, stopping)
            yield
        finally:
            place.release()

    def _place(self, host: str) -> threading.Semaphore:
        with self._lock:
            return self._places[host]

    def _wait(self, host: str, per_second: float | None, stopping: threading.Event) -> None:
        while (wait_s := self._wait_s(host, per_second)) > 0:
            if wait_s > SHORT_WAIT_S:
                raise FetchUnavailableError(f"{host} has asked not to be asked again for {wait_s:.0f} s")
            if stopping.wait(wait_s):
                _refuse_stop(host, stopping)

    def _wait_s(self, host: str, per_second: float | None) -> float:
        with self._lock:
            now = self._clock()
            if (pause_s := self._not_before.get(host, 0.0) - now) > 0:
                return pause_s
            buckets = self._buckets[host]
            for rate in {self._per_second, per_second or self._per_second} - buckets.keys():
                buckets[rate] = InMemoryBucket([Rate(1, max(1, math.ceil(1000 / rate)))])
            item = RateItem(host, int(now * 1000))
            waits = [_waiting_ms(bucket, item) for bucket in buckets.values()]
            if max(waits) > 0:
                return max(waits) / 1000
            for bucket in buckets.values():
                bucket.leak(item.timestamp)
                bucket.put(item)
            return 0.0


def _waiting_ms(bucket: InMemoryBucket, item: RateItem) -> int:
    """How long until the bucket takes the item: until the request before it has left the window."""
    latest = bucket.peek(0)
    return max(0, latest.timestamp + bucket.rates[0].interval + 1 - item.timestamp) if latest else 0


def _refuse_stop(host: str, stopping: threading.Event) -> None:
    if stopping.is_set():
        raise FetchUnavailableError(f"{host} was not asked: the service stops")
