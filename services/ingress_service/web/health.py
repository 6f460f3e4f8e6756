"""Whether the process lives, and whether it can take uploads right now."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import anyio

from packages.common.errors import StorageError
from packages.common.s3io import ObjectStorage
from packages.common.wording import counted
from services.ingress_service.spool import Spool
from services.ingress_service.web.answers import Check, ReadinessReport
from services.ingress_service.web.signals.watch import Watch

REMEMBERED_S = 5.0
PROBE_TIMEOUT_S = 5.0


class Readiness:
    """Checks the storage and the scheduler, and tells what the watch has found.

    Anyone may ask, so an answer is kept for a few seconds and only one check runs at a time. With a spool
    uploads are taken without the storage too.
    """

    def __init__(
        self,
        storage: ObjectStorage,
        scheduler_alive: Callable[[], bool],
        watch: Watch,
        spool: Spool | None = None,
    ) -> None:
        self._storage = storage
        self._watch = watch
        self._scheduler_alive = scheduler_alive
        self._spool = spool
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
        storage = (await self._storage_check()).model_copy(update={"required": self._spool is None})
        checks = [storage, _scheduler(alive=self._scheduler_alive()), self._oldest(), self._abilities()]
        checks += [_spooled(self._spool)] if self._spool is not None else []
        ready = all(check.ok for check in checks if check.required)
        return ReadinessReport(status="ready" if ready else "not_ready", checks=checks)

    async def _storage_check(self) -> Check:
        name = "storage"
        try:
            with anyio.fail_after(PROBE_TIMEOUT_S):
                await anyio.to_thread.run_sync(self._use_storage, abandon_on_cancel=True)
        except TimeoutError:
            return Check(name=name, ok=False, detail=f"no answer within {PROBE_TIMEOUT_S:.0f} s")
        except StorageError as error:
            return Check(name=name, ok=False, detail=error.kind)
        return Check(name=name, ok=True, detail="readable and writable")

    def _use_storage(self) -> None:
        self._storage.put(self._key, str(time.time_ns()).encode())
        self._storage.get(self._key)
        self._storage.delete([self._key])

    def _oldest(self) -> Check:
        depth, trouble = self._watch.depth, self._watch.trouble
        detail = f"{depth.describe()}; cannot be counted: {trouble}" if trouble else depth.describe()
        full = "; the queue is full" if depth.full else ""
        return Check(
            name="oldest_accepted", ok=not (trouble or depth.full), required=False, detail=detail + full
        )

    def _abilities(self) -> Check:
        found = self._watch.abilities
        detail = "not probed yet" if found is None else "; ".join(found.lacking) or "all that is needed"
        return Check(
            name="storage_abilities",
            ok=found is not None and not found.lacking,
            required=False,
            detail=detail,
        )


def _scheduler(*, alive: bool) -> Check:
    return Check(name="scheduler", ok=alive, detail="running" if alive else "stopped")


def _spooled(spool: Spool) -> Check:
    waiting = counted(len(spool.waiting()), "item waits", "items wait")
    detail = "empty" if spool.is_empty else f"{waiting} for the storage ({counted(spool.size_bytes, 'byte')})"
    return Check(name="spool", ok=not spool.is_full, detail=detail)
