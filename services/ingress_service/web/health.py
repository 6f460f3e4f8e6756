"""Whether the process lives, and whether it can take uploads right now."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime

import anyio

from packages.common.errors import StorageError
from packages.common.keys import ItemState
from packages.common.queue import Queue
from services.ingress_service.web.answers import Check, ReadinessReport
from services.ingress_service.web.positions import received_at

REMEMBERED_S = 5.0
PROBE_TIMEOUT_S = 5.0
LISTED_ITEMS = 10_000


class Readiness:
    """Checks the storage, the scheduler and the age of the queue.

    Anyone may ask, so an answer is kept for a few seconds and only one check runs at a time.
    """

    def __init__(self, queue: Queue, scheduler_alive: Callable[[], bool]) -> None:
        self._queue = queue
        self._scheduler_alive = scheduler_alive
        self._key = f"health/{socket.gethostname()}"
        self._lock = asyncio.Lock()
        self._report: ReadinessReport | None = None
        self._checked_at = 0.0

    async def report(self) -> ReadinessReport:
        """All checks, at most five seconds old."""
        async with self._lock:
            if self._report is None or time.monotonic() - self._checked_at > REMEMBERED_S:
                self._report = await self._check()
                self._checked_at = time.monotonic()
            return self._report

    async def _check(self) -> ReadinessReport:
        storage, oldest = await asyncio.gather(
            self._timed("storage", self._storage), self._timed("oldest_accepted", self._oldest)
        )
        alive = self._scheduler_alive()
        checks = [
            storage,
            Check(name="scheduler", ok=alive, detail="running" if alive else "stopped"),
            oldest,
        ]
        ready = all(check.ok for check in checks)
        return ReadinessReport(status="ready" if ready else "not_ready", checks=checks)

    async def _timed(self, name: str, check: Callable[[], str]) -> Check:
        try:
            with anyio.fail_after(PROBE_TIMEOUT_S):
                detail = await anyio.to_thread.run_sync(check, abandon_on_cancel=True)
        except TimeoutError:
            return Check(name=name, ok=False, detail=f"no answer within {PROBE_TIMEOUT_S:.0f} s")
        except StorageError as error:
            return Check(name=name, ok=False, detail=error.kind)
        return Check(name=name, ok=True, detail=detail)

    def _storage(self) -> str:
        storage, token = self._queue.storage, str(time.time_ns()).encode()
        storage.put(self._key, token)
        storage.get(self._key)
        storage.delete([self._key])
        return "readable and writable"

    def _oldest(self) -> str:
        items = list(itertools.islice(self._queue.items(ItemState.ACCEPTED), LISTED_ITEMS))
        times = [moment for item in items if (moment := received_at(item.item_id)) is not None]
        if not times:
            return "nothing waits"
        age_s = (datetime.now(UTC) - min(times)).total_seconds()
        more = " or more" if len(items) == LISTED_ITEMS else ""
        return f"{len(items)}{more} wait, the oldest for {max(age_s, 0):.0f} s"
