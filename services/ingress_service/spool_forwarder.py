"""Brings what waits in the spool to the queue, in order of arrival, as soon as the storage is back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from packages.common.errors import IngressError
from packages.common.queue import Queue
from services.ingress_service.spool import Spool, SpooledItem

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
STOP_S = 5.0

log = structlog.get_logger("ingress.spool")


class SpoolForwarder:
    """A thread that empties the spool; items keep their id, so that none can come twice.

    An item whose forwarding was cut short is found in the queue by its id and only removed here. While the
    storage refuses, the oldest item is tried again after pauses that grow to a quarter of a minute; later
    ones wait behind it.
    """

    def __init__(self, spool: Spool, queue: Queue, on_forwarded: Callable[[str], None] | None = None) -> None:
        self._spool, self._queue, self._on_forwarded = spool, queue, on_forwarded
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._pause_s = 0.0

    def start(self) -> None:
        """Open the spool and begin; raises ConfigurationError where another process uses its folder."""
        self._spool.open()
        self._thread.start()

    def stop(self) -> None:
        """End; what is left waits for the next start."""
        self._stopping.set()
        self._spool.added.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._spool.close()

    def _run(self) -> None:
        while self._spool.added.wait() and not self._stopping.is_set():
            self._spool.added.clear()
            while (item := self._spool.oldest()) is not None and not self._stopping.is_set():
                self._attempt(item)
                self._stopping.wait(self._pause_s)

    def _attempt(self, item: SpooledItem) -> None:
        try:
            self._forward(item)
        except (IngressError, OSError) as error:
            if not self._pause_s:
                log.warning("the storage does not take what is spooled", reason=str(error))
            self._pause_s = min(self._pause_s * 2 or FIRST_PAUSE_S, LONGEST_PAUSE_S)
        else:
            self._pause_s = 0.0

    def _forward(self, item: SpooledItem) -> None:
        item_id = item.metadata.item_id
        if self._queue.find(item_id) is None:
            self._queue.accept(item.metadata, item.payload)
        self._spool.remove(item)
        log.info("spooled item forwarded", item_id=item_id)
        if self._on_forwarded is not None:
            self._on_forwarded(item_id)
