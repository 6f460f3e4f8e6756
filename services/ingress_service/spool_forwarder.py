"""Brings what waits in the spool to the queue, in order of arrival, as soon as the storage is back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

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
    ones wait behind it. What was deleted in the spool is removed from the queue, should it be there.
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
            while not (self._spool.is_idle or self._stopping.is_set()):
                if (deleted := self._spool.oldest_deleted()) is not None:
                    self._attempt(partial(self._clear, deleted))
                if (item := self._spool.oldest()) is not None:
                    self._attempt(partial(self._forward, item))
                self._stopping.wait(self._pause_s)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
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
        if not self._spool.remove(item):
            return
        log.info("spooled item forwarded", item_id=item_id)
        if self._on_forwarded is not None:
            self._on_forwarded(item_id)

    def _clear(self, item: SpooledItem) -> None:
        self._spool.postpone(item)
        item_id = item.metadata.item_id
        if (found := self._queue.find(item_id)) is not None:
            self._queue.purge_everywhere(found)
        self._spool.cleared(item)
        log.info("deleted item is not in the queue", item_id=item_id)
