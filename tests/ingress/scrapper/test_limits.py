"""How often and how many at once a host is asked."""

from __future__ import annotations

import threading
import time

import pytest

from services.ingress_service.scrapper.errors import FetchUnavailableError
from services.ingress_service.scrapper.limits import HostLimits
from tests.rigs.waiting import PATIENCE_S


class Ticking:
    """A clock that moves by what is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def begins(limits: HostLimits, clock: Ticking, rates: list[float | None], host: str = "x") -> list[float]:
    times = []
    for rate in rates:
        with limits.turn(host, rate, clock):
            times.append(round(clock.now - 1000, 2))
    return times


@pytest.mark.parametrize("seconds", [10 * 365 * 86400.0, float("inf")])
def test_a_host_whose_clock_is_years_ahead_is_asked_again_the_next_day(seconds: float) -> None:
    clock = Ticking()
    limits = HostLimits(1, 1000.0, clock)
    limits.hold("x", seconds)
    with pytest.raises(FetchUnavailableError, match="86400 s"), limits.turn("x", None, clock):
        pass
    clock.now += 86400
    assert begins(limits, clock, [None]) == [86400.0]


def test_requests_to_one_host_keep_their_distance() -> None:
    clock = Ticking()
    limits = HostLimits(1, 10.0, clock)
    assert begins(limits, clock, [None] * 3) == [0.0, 0.1, 0.2]
    assert begins(limits, clock, [None], host="y") == [0.2]


def test_the_strictest_scraper_of_a_host_sets_its_pace() -> None:
    clock = Ticking()
    limits = HostLimits(1, 10.0, clock)
    assert begins(limits, clock, [0.5, None, None]) == [0.0, 2.0, 4.0]


def test_a_host_that_asked_for_a_pause_gets_it() -> None:
    clock = Ticking()
    limits = HostLimits(1, 1000.0, clock)
    limits.hold("x", 30)
    assert begins(limits, clock, [None]) == [30.0]
    limits.hold("x", 3600)
    with pytest.raises(FetchUnavailableError, match="3600 s"):
        begins(limits, clock, [None])
    assert begins(limits, clock, [None], host="y") == [30.0]


def test_only_so_many_requests_go_to_one_host_at_once() -> None:
    limits = HostLimits(2, 1_000_000.0)
    stopping, inside, most = threading.Event(), [], []
    pair = threading.Barrier(2, timeout=PATIENCE_S)

    def ask() -> None:
        with limits.turn("x", None, stopping):
            inside.append(1)
            most.append(len(inside))
            pair.wait()
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (8, 2)
