"""One request of a firing, and what comes of it: a run for the record, the metadata of an item."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from packages.common.errors import IngressError
from packages.common.models.configuration_model import Scrapper
from packages.common.models.metadata_model import ItemMetadata
from packages.common.payloads.binary import stored_encoding
from services.ingress_service.scrapper.body import Body
from services.ingress_service.scrapper.credentials import Credentials
from services.ingress_service.scrapper.fetch import Answer
from services.ingress_service.scrapper.history import Run, RunState
from services.ingress_service.scrapper.requests import FetchRequest, item_id_of, shown_url

log = structlog.get_logger("scraper")


@dataclass(frozen=True)
class Task:
    """One request of a firing, with what is known of the last answer to it.

    `page_before` is the digest of the page before this one, where pages are counted up.
    """

    scrapper: Scrapper
    fired_at: datetime
    request: FetchRequest
    before: Run | None = None
    page_before: str | None = None
    credentials: Credentials = field(default=(), repr=False)

    @property
    def item_id(self) -> str:
        """The id of the item that comes of it."""
        return item_id_of(self.scrapper.name, self.fired_at, self.request)

    def run(self, state: RunState, **more: str | None) -> Run:
        """The run that this request has become."""
        row = self.request.dataframe_row
        first = next(iter((row or {}).items()), None)
        return Run(
            scrapper=self.scrapper.name,
            fired_at=self.fired_at,
            finished_at=datetime.now(UTC),
            state=state,
            item_id=self.item_id,
            request=shown_url(self.request.url),
            row=f"{first[0]}={first[1]}" if first is not None else None,
            page=self.request.page,
            key=self.request.digest,
            **more,
        )


@dataclass
class Outcome:
    """What came of a task: its run (None beyond the last page), and the answer where there is one."""

    run: Run | None
    answer: Answer | None = None


def failed(task: Task, error: Exception) -> Run:
    """The run of a request that came to nothing, logged with its reason."""
    name = task.scrapper.name
    if isinstance(error, IngressError):
        log.warning("scrape failed", scraper=name, kind=error.kind, reason=error.message)
        return task.run("failed", kind=error.kind, reason=str(error))
    log.error("scrape failed", scraper=name, exc_info=error)
    return task.run("failed", kind="internal", reason="internal error, see the log")


def metadata_of(task: Task, body: Body, content_type: str) -> ItemMetadata:
    """What lies beside the item that an answer becomes."""
    scrapper = task.scrapper
    return ItemMetadata(
        item_id=task.item_id,
        content_type=content_type,
        content_encoding=stored_encoding(content_type, next(body.pieces(), b"")[:3]),
        endpoint_name=scrapper.name,
        username=f"scrapper-{scrapper.name}",
        received_at=datetime.now(UTC),
        schema_name=scrapper.schema_name,
        schema_path=scrapper.schema_path,
        target_node=scrapper.target_node or None,
        extract_fn=scrapper.extract_fn,
        fn_module=scrapper.fn_module,
        dataframe_row=task.request.dataframe_row,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
    )
