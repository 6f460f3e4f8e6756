"""The lease: at most one writer a store, by numbered lock objects that only a create-only PUT can make.

| step | what it does |
|---|---|
| acquire | creates `lock/<n>`, n above all there are; waits while the newest lock is alive |
| renew | rewrites the own lock object, so that waiting writers see it change |
| check | no higher lock exists, and time is left |
| release | marks the own lock object; the next holder removes it |

A waiting writer measures with its own clock only: a lock that did not change for the time to live plus one
request timeout has lost its holder. So a holder starts no write once the time to live is over, be it that its
machine was asleep, or a virtual one stood still, and only the clocks that others set tell of it.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

from zarr_fuse.commit.process import holder, is_dead
from zarr_fuse.errors import LeaseHeldError, LeaseLostError
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout

POLL_S = 0.05
REMOTE_REQUEST_TIMEOUT_S = 15.0
WITH_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
RENEW_AT = 1 / 3  # share of the time to live after which a holder renews


class Lease:
    """The lease of one store handle.

    Args:
        ttl_s: time to live, seconds.
        wait_s: how long `acquire` waits for another writer, seconds.
        request_timeout_s: upper bound of one storage request with its retries, seconds.
    """

    def __init__(
        self, objects: Objects, layout: Layout, ttl_s: float, wait_s: float, request_timeout_s: float
    ) -> None:
        self._objects = objects
        self._layout = layout
        self._ttl_s = ttl_s
        self._wait_s = wait_s
        self._request_timeout_s = request_timeout_s
        self._identity: dict[str, Any] = {}
        self._renewals = 0
        self._renewed_at = (0.0, 0.0)
        self.number = 0
        self.follows_own = False

    def acquire(self) -> None:
        """Take the next number; `follows_own` says whether nobody else held the lease since the last time.

        Raises:
            LeaseHeldError: another writer kept it for longer than `wait_s`.
        """
        self._identity, self._renewals = holder(), 0
        if self.number and self._create(self.number + 1):
            self.follows_own = True
            return
        self.follows_own = False
        deadline = time.monotonic() + self._wait_s
        seen: tuple[int, bytes | None, float] = (0, None, 0.0)
        while True:
            top, highest = self._highest()
            state = self._objects.get(self._layout.lock(top)) if top else None
            if seen[:2] != (top, state):
                seen = (top, state, time.monotonic())
            if (top == 0 or self._is_free(state, seen[2])) and self._create(max(top, highest) + 1):
                return
            if time.monotonic() > deadline:
                raise LeaseHeldError(
                    f"another writer held the lease for {self._wait_s:g} s ({_describe(state)})"
                )
            time.sleep(min(POLL_S, self._ttl_s / 10) * random.uniform(0.5, 1.5))

    def keep(self) -> None:
        """Stay the holder between calls of a user who may take his time, as long as nothing has been written.

        Raises:
            LeaseLostError: another writer has taken over.
        """
        if self._age() < self._ttl_s:
            self.renew_when_due()
        elif not self._create(self.number + 1):
            raise LeaseLostError(f"lease {self.number} ran out and another writer has taken over")

    def renew_when_due(self) -> None:
        """Renew once a third of the time to live is over.

        Raises:
            LeaseLostError: the time to live is over.
        """
        if self._age() >= self._ttl_s:
            raise LeaseLostError(f"lease {self.number} ran out after {self._ttl_s:g} s")
        if self._age() > self._ttl_s * RENEW_AT:
            self._renewals += 1
            started = _moment()
            self._objects.put(self._layout.lock(self.number), self._body(released=False))
            self._renewed_at = started

    def check(self) -> None:
        """Make sure that this is still the highest number and that time is left.

        Raises:
            LeaseLostError: it is not.
        """
        self.renew_when_due()
        top, _ = self._highest()
        if top != self.number:
            raise LeaseLostError(f"lease {self.number} was taken over by {top}")

    def release(self) -> None:
        """Let the next writer in."""
        self._objects.put(self._layout.lock(self.number), self._body(released=True))

    def forget(self) -> None:
        """Take the next number as if somebody else had held the lease meanwhile."""
        self.number = 0
        self.follows_own = False

    def lower_locks(self) -> list[str]:
        """Keys of the locks of earlier holders, which this holder removes."""
        if self.follows_own:
            return [self._layout.lock(self.number - 1)]
        keys = self._objects.keys(self._layout.side("lock"))
        return [key for key in keys if _number(key) < self.number]

    def _create(self, number: int) -> bool:
        started = _moment()
        previous, self.number = self.number, number
        created = self._objects.create(self._layout.lock(number), self._body(released=False), durable=False)
        if created and self._highest()[0] == number:  # a number below a later holder's may be free again
            self._renewed_at = started
            return True
        self.number = previous
        return False

    def _highest(self) -> tuple[int, int]:
        """The highest lock number, and the highest number that any record carries."""
        locks = self._objects.keys(self._layout.side("lock"))
        top = max(map(_number, locks), default=0)
        if top:
            return top, top
        records = self._objects.keys(self._layout.side("txn"))
        return 0, max((int(key.removeprefix(self._layout.side("txn/"))[:8]) for key in records), default=0)

    def _is_free(self, state: bytes | None, unchanged_since: float) -> bool:
        if state is None:
            return False  # removed by the next holder: look again
        lock = _read(state)
        ttl_s = max(self._ttl_s, lock.get("ttl_s", 0))
        over = time.monotonic() - unchanged_since > ttl_s + self._request_timeout_s
        return over or (bool(lock) and (bool(lock["released"]) or is_dead(lock)))

    def _age(self) -> float:
        return max(now - then for now, then in zip(_moment(), self._renewed_at, strict=True))

    def _body(self, *, released: bool) -> bytes:
        return json.dumps(
            {**self._identity, "renewals": self._renewals, "ttl_s": self._ttl_s, "released": released}
        ).encode()


def _moment() -> tuple[float, float]:
    """Now, by a clock that goes on while the machine sleeps, and by the one on the wall."""
    return time.clock_gettime(WITH_SLEEP), time.time()


def _read(state: bytes) -> dict[str, Any]:
    """What a lock says; nothing where a power cut took its content: its holder is gone, or renews it."""
    try:
        lock = json.loads(state)
    except ValueError:
        return {}
    return lock if isinstance(lock, dict) else {}


def _number(key: str) -> int:
    return int(key.rpartition("/")[2])


def _describe(state: bytes | None) -> str:
    if state is None:
        return "no lock to be seen now"
    lock = _read(state)
    return f"process {lock.get('pid')} on {lock.get('host')}, {lock.get('renewals')} renewals"
