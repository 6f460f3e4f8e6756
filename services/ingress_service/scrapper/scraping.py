"""One request of a firing, from the fetch to the item: fetched, checked like an upload, stored once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import structlog

from packages.common.errors import EmptyPayloadError, IngressError
from packages.common.logging_setup import bind_item
from packages.common.models.configuration_model import Scrapper
from packages.common.models.scrapper_model import Pagination
from packages.common.queue import Queue
from services.ingress_service.scrapper import fetch as http
from services.ingress_service.scrapper.errors import FetchUnavailableError, NotFoundError
from services.ingress_service.scrapper.fetch import Answer, Validators
from services.ingress_service.scrapper.history import Run
from services.ingress_service.scrapper.limits import HostLimits
from services.ingress_service.scrapper.pagination import first_page, next_page
from services.ingress_service.scrapper.payload_type import payload_type
from services.ingress_service.scrapper.requests import FetchRequest
from services.ingress_service.scrapper.retries import Limits, retrying
from services.ingress_service.scrapper.task import Outcome, Task, failed, metadata_of

Check = Callable[[Scrapper, str, bytes], str]
"""Checks an answer (scraper, content type, bytes) as an upload is checked: returns the type to store it under
and raises what is wrong with it."""
OnStored = Callable[[str], None]
"""Told the id of each item that this replica has stored; must return at once."""

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
        if task.scrapper.pagination is None:
            yield self._outcome(replace(task, before=known(task.request.digest))).run
        else:
            yield from self._pages(task, task.scrapper.pagination, known)

    def _pages(self, task: Task, pagination: Pagination, known: Callable[[str], Run | None]) -> Iterator[Run]:
        page: Task | None = replace(task, request=first_page(pagination, task.request))
        before: Answer | None = None
        while page is not None and not self.stopping.is_set():
            outcome = self._outcome(replace(page, before=known(page.request.digest)))
            if before is not None and pagination.page_param and _is_beyond_the_end(outcome, before):
                return
            yield outcome.run
            if outcome.answer is None:
                return
            try:
                following = next_page(pagination, page.request, outcome.answer)
            except IngressError as error:
                yield failed(replace(page, request=replace(page.request, page=page.request.page + 1)), error)
                return
            page, before = _on_its_way(task, following) if following is not None else None, outcome.answer

    def _outcome(self, task: Task) -> Outcome:
        outcome = Outcome(task.run("failed"))
        with bind_item(task.item_id):
            try:
                outcome.run = self._scrape(task, outcome)
            except Exception as error:  # noqa: BLE001 - logged there; no other request may suffer from it
                outcome.run, outcome.error = failed(task, error), error
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
        sha256 = hashlib.sha256(answer.data).hexdigest()
        marks = {
            "etag": answer.validators.etag,
            "last_modified": answer.validators.last_modified,
            "sha256": sha256,
        }
        if before is not None and before.sha256 == sha256:
            return task.run("unchanged", **marks)
        return task.run("accepted" if self._store(task, answer, sha256) else "duplicate", **marks)

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

    def _store(self, task: Task, answer: Answer, sha256: str) -> bool:
        declared = payload_type(task.scrapper.content_type, answer.content_type, task.request.url)
        content_type = self._check(task.scrapper, declared, answer.data)
        metadata = metadata_of(task, answer.data, content_type, sha256)
        stored = self._retrying.copy()(self._queue.accept_once, metadata, answer.data)
        if stored and self._on_stored is not None:
            self._on_stored(task.item_id)
        return stored


def _on_its_way(task: Task, request: FetchRequest) -> Task:
    """The task for another page: what proves who asks stays with the host it was meant for."""
    if http.origin_of(httpx.URL(request.url)) == http.origin_of(httpx.URL(task.request.url)):
        return replace(task, request=request)
    return replace(task, request=replace(request, headers=()), credentials=())


def _is_beyond_the_end(outcome: Outcome, before: Answer) -> bool:
    """Whether a page that was counted up to is not there: not found, without rows, or the last one again."""
    if isinstance(outcome.error, NotFoundError | EmptyPayloadError):
        return True
    return outcome.answer is not None and outcome.answer.data == before.data
