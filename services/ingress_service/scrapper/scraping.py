"""One request of a firing, from the fetch to the item: fetched, checked like an upload, stored once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import structlog

from packages.common.errors import EmptyPayloadError, IngressError
from packages.common.logging_setup import bind_item
from packages.common.models.configuration_model import Scrapper
from packages.common.queue import Queue
from services.ingress_service.scrapper import fetch as http
from services.ingress_service.scrapper.errors import FetchUnavailableError, NotFoundError, PageRepeatedError
from services.ingress_service.scrapper.fetch import Answer, Validators
from services.ingress_service.scrapper.history import Run
from services.ingress_service.scrapper.limits import HostLimits
from services.ingress_service.scrapper.pagination import first_page, next_page
from services.ingress_service.scrapper.payload_type import payload_type
from services.ingress_service.scrapper.requests import FetchRequest
from services.ingress_service.scrapper.retries import Limits, retrying
from services.ingress_service.scrapper.task import Outcome, Task, failed, metadata_of

Check = Callable[[Scrapper, str, Iterator[bytes]], str]
"""Checks an answer (scraper, content type, pieces) as an upload is checked: returns the type to store it
under, raises what is wrong with it."""
OnStored = Callable[[str], None]
"""Told the id of each item that this replica has stored; must return at once."""
BEYOND_THE_END = (NotFoundError, EmptyPayloadError, PageRepeatedError)
"""What a page that is counted up to says where there is none any more."""

log = structlog.get_logger("scraper")


class Scraping:
    """Fetches, checks and stores; shared by all scrapers and safe to use in several threads."""

    def __init__(
        self,
        queue: Queue,
        check: Check,
        limits: Limits,
        hosts: HostLimits,
        on_stored: OnStored | None = None,
    ) -> None:
        self.stopping = threading.Event()
        self._queue = queue
        self._check = check
        self._limits = limits
        self._hosts = hosts
        self._on_stored = on_stored
        self._retrying = retrying(limits, self.stopping)

    def runs(self, task: Task, known: Callable[[str], Run | None]) -> Iterator[Run]:
        """The run of a request, or one a page; `known` finds the last run of a request by its key."""
        pagination = task.scrapper.pagination
        page: Task | None = task
        if pagination is not None:
            page = replace(task, request=first_page(pagination, task.request))
        while page is not None and not self.stopping.is_set():
            current = replace(page, before=known(page.request.digest))
            outcome = self._outcome(current)
            try:
                if outcome.run is not None:
                    yield outcome.run
                page = self._following(task, current, outcome)
            except IngressError as error:
                number = current.request.page + 1
                yield failed(replace(current, request=replace(current.request, page=number)), error)
                return
            finally:
                if outcome.answer is not None:
                    outcome.answer.body.discard()

    def _following(self, first: Task, page: Task, outcome: Outcome) -> Task | None:
        """The task for the next page; None after the last, and where there are no pages."""
        pagination = first.scrapper.pagination
        if pagination is None or outcome.answer is None or outcome.run is None:
            return None
        request = next_page(pagination, page.request, outcome.answer)
        if request is None:
            return None
        following = _on_its_way(first, request)
        return (
            replace(following, page_before=outcome.answer.body.sha256) if pagination.page_param else following
        )

    def _outcome(self, task: Task) -> Outcome:
        outcome = Outcome(None)
        with bind_item(task.item_id):
            try:
                outcome.run = self._scrape(task, outcome)
            except Exception as error:  # noqa: BLE001 - logged there; no other request may suffer from it
                if task.page_before is None or not isinstance(error, BEYOND_THE_END):
                    outcome.run = failed(task, error)
            else:
                log.info("scraped", scraper=task.scrapper.name, state=outcome.run.state)
        return outcome

    def _scrape(self, task: Task, outcome: Outcome) -> Run:
        paged = task.scrapper.pagination is not None
        if not paged and self._queue.find(task.item_id) is not None:
            return task.run("duplicate")
        before = task.before if task.scrapper.skip_unchanged else None
        conditional = Validators(before.etag, before.last_modified) if before and not paged else None
        answer = outcome.answer = self._fetch(task, conditional or http.NOTHING_KNOWN)
        if answer.not_modified:
            return task.run("unchanged")
        if answer.body.sha256 == task.page_before:
            raise PageRepeatedError(f"page {task.request.page} is the page before it, once more")
        marks = {
            "etag": answer.validators.etag,
            "last_modified": answer.validators.last_modified,
            "sha256": answer.body.sha256,
        }
        if before is not None and before.sha256 == answer.body.sha256:
            return task.run("unchanged", **marks)
        return task.run("accepted" if self._store(task, answer) else "duplicate", **marks)

    def _fetch(self, task: Task, validators: Validators) -> Answer:
        scrapper, request = task.scrapper, task.request
        limits = replace(self._limits, timeout_s=scrapper.timeout_s or self._limits.timeout_s)
        host = httpx.URL(request.url).host

        def once() -> Answer:
            with self._hosts.turn(host, scrapper.requests_per_second, self.stopping):
                return http.fetch(
                    request,
                    limits,
                    allow_private_hosts=scrapper.allow_private_hosts,
                    credentials=task.credentials,
                    validators=validators,
                )

        def politely() -> Answer:
            try:
                return once()
            except FetchUnavailableError as error:
                if error.retry_after_s:
                    self._hosts.hold(host, error.retry_after_s)
                raise

        return self._retrying.copy()(politely)

    def _store(self, task: Task, answer: Answer) -> bool:
        declared = payload_type(task.scrapper.content_type, answer.content_type, task.request.url)
        content_type = self._check(task.scrapper, declared, answer.body.pieces())
        metadata = metadata_of(task, answer.body, content_type)
        stored = self._retrying.copy()(self._queue.accept_once, metadata, answer.body.payload)
        if stored and self._on_stored is not None:
            self._on_stored(task.item_id)
        return stored


def _on_its_way(task: Task, request: FetchRequest) -> Task:
    """The task for another page: what proves who asks stays with the host it was meant for."""
    if http.origin_of(httpx.URL(request.url)) == http.origin_of(httpx.URL(task.request.url)):
        return replace(task, request=request)
    return replace(task, request=replace(request, headers=()), credentials=())
