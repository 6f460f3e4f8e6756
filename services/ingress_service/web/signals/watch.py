"""What the service finds out about its storage by itself, in the background, at a bounded cost."""

from __future__ import annotations

import asyncio
import threading
import time

import anyio
import structlog

from packages.common.errors import StorageError
from packages.common.last_sweep import LastSweep, last_sweep
from packages.common.s3io import ObjectStorage
from services.ingress_service.web.signals.queue_depth import QueueDepth
from zarr_fuse.storage.abilities import Abilities

INTERVAL_S = 30.0
REST = 20
"""A round is followed by a pause of this many times its own length, so that counting stays below 5 %."""

log = structlog.get_logger("ingress.watch")


class Watch:
    """Probes the storage once, counts the queue again and again, and sees whether sweeps end."""

    def __init__(self, storage: ObjectStorage, depth: QueueDepth) -> None:
        self.depth = depth
        self.abilities: Abilities | None = None
        self.trouble: str | None = None
        self.last_sweep: tuple[LastSweep | None] | None = None
        self.storage = storage
        self._stop = threading.Event()

    async def run(self) -> None:
        """Look around until cancelled."""
        try:
            while True:
                began = time.monotonic()
                await anyio.to_thread.run_sync(self.look, abandon_on_cancel=True)
                await asyncio.sleep(max(INTERVAL_S, REST * (time.monotonic() - began)))
        finally:
            self._stop.set()

    def look(self) -> None:
        """One round: count, see when a sweep ended, and probe if that has not been possible yet."""
        try:
            self.last_sweep = (last_sweep(self.storage),)
            self.depth.count(self._stop)
            if self.abilities is None and not self._stop.is_set():
                self._probe()
            self.trouble = None
        except StorageError as error:
            if self.trouble is None:
                log.warning("the storage cannot be watched", kind=error.kind, reason=str(error))
            self.trouble = error.kind
        except Exception:
            log.exception("the watch failed")
            self.trouble = "internal"

    def _probe(self) -> None:
        self.abilities = self.storage.abilities()
        if self.abilities.lacking:
            log.warning("the storage cannot do everything", lacking=list(self.abilities.lacking))
        else:
            log.info("the storage can do everything asked of it")
