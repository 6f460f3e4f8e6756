"""What one firing of a scraper does: fetch, check like an upload, store once for all replicas."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import structlog

from packages.common.content_types import canonical_type
from packages.common.errors import IngressError
from packages.common.logging_setup import bind_item
from packages.common.models.configuration_model import Scrapper
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue
from services.ingress_service.scrapper.fetch import Answer, Limits, fetch, retrying
from services.ingress_service.scrapper.requests import FetchRequest, item_id_of, render

Check = Callable[[Scrapper, str, bytes], object]
"""Checks an answer (scraper, content type, bytes) as an upload is checked; raises what is wrong with it."""

OnStored = Callable[[str], None]
"""Told the id of each item that this replica has stored; must return at once."""

RunState = Literal["accepted", "duplicate", "failed"]

log = structlog.get_logger("scraper")


@dataclass(frozen=True)
class Run:
    """What came of one request of one firing; `reason` is set when it failed."""

    scrapper: str
    fired_at: datetime
    state: RunState
    item_id: str
    finished_at: datetime
    kind: str | None = None
    reason: str | None = None


class ScrapeJob:
    """Fetches, checks and stores; shared by all scrapers and safe to run in several threads."""

    def __init__(self, queue: Queue, check: Check, limits: Limits, on_stored: OnStored | None = None) -> None:
        self._queue = queue
        self._check = check
        self._limits = limits
        self._on_stored = on_stored
        self._stopping = threading.Event()
        self._retrying = retrying(limits, self._stopping)

    def stop(self) -> None:
        """Let runs in flight end at their next failure, without another try."""
        self._stopping.set()

    def run(self, scrapper: Scrapper, fired_at: datetime) -> list[Run]:
        """One run for each request of this firing; a failed one does not keep the others."""
        return [self._run_one(scrapper, fired_at, request) for request in render(scrapper)]

    def _run_one(self, scrapper: Scrapper, fired_at: datetime, request: FetchRequest) -> Run:
        item_id = item_id_of(scrapper, fired_at, request)
        run = Run(scrapper.name, fired_at, "accepted", item_id, datetime.now(UTC))
        with bind_item(item_id):
            try:
                stored = self._scrape(scrapper, request, item_id)
            except IngressError as error:
                log.warning("scrape failed", scraper=scrapper.name, kind=error.kind, reason=error.message)
                return _finished(run, state="failed", kind=error.kind, reason=str(error))
            except Exception:
                log.exception("scrape failed", scraper=scrapper.name)
                return _finished(run, state="failed", kind="internal", reason="internal error, see the log")
            log.info("scraped", scraper=scrapper.name, stored=stored)
        if stored and self._on_stored is not None:
            self._on_stored(item_id)
        return _finished(run, state="accepted" if stored else "duplicate")

    def _scrape(self, scrapper: Scrapper, request: FetchRequest, item_id: str) -> bool:
        if self._queue.find(item_id) is not None:
            return False
        answer = self._retrying.copy()(
            fetch, request, self._limits, allow_private_hosts=scrapper.allow_private_hosts
        )
        content_type = scrapper.content_type or answer.content_type
        self._check(scrapper, content_type, answer.data)
        metadata = _metadata(scrapper, request, item_id, replace(answer, content_type=content_type))
        return self._retrying.copy()(self._queue.accept_once, metadata, answer.data)


def _finished(run: Run, *, state: RunState, kind: str | None = None, reason: str | None = None) -> Run:
    return replace(run, state=state, kind=kind, reason=reason, finished_at=datetime.now(UTC))


def _metadata(scrapper: Scrapper, request: FetchRequest, item_id: str, answer: Answer) -> ItemMetadata:
    return ItemMetadata(
        item_id=item_id,
        content_type=canonical_type(answer.content_type),
        endpoint_name=scrapper.name,
        username=f"scrapper-{scrapper.name}",
        received_at=datetime.now(UTC),
        schema_name=scrapper.schema_name,
        schema_path=scrapper.schema_path,
        target_node=scrapper.target_node or None,
        extract_fn=scrapper.extract_fn,
        fn_module=scrapper.fn_module,
        dataframe_row=request.dataframe_row,
        size_bytes=len(answer.data),
        sha256=hashlib.sha256(answer.data).hexdigest(),
    )
