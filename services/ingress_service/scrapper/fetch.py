"""One HTTP request with bounded time, size and retries."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from packages.common.errors import IngressError
from services.ingress_service.scrapper.addresses import CheckedTransport
from services.ingress_service.scrapper.errors import AnswerTooLargeError, FetchError, FetchUnavailableError
from services.ingress_service.scrapper.requests import FetchRequest, public_url

MAX_REDIRECTS = 5
MAX_RETRY_AFTER_S = 300.0
TOO_MANY_REQUESTS = 429
USER_AGENT = "zarr-fuse-ingress"


@dataclass(frozen=True)
class Limits:
    """What one fetch may cost: seconds, bytes after decompression, tries, first back-off."""

    timeout_s: float
    max_bytes: int
    attempts: int = 4
    backoff_s: float = 1.0


@dataclass(frozen=True)
class Answer:
    """A successful answer."""

    data: bytes
    content_type: str


def retrying(limits: Limits, stopping: threading.Event) -> Retrying:
    """How to retry: retryable errors only, growing pauses, `Retry-After` honoured, until `stopping`."""
    growing = wait_exponential(limits.backoff_s, max=60 * limits.backoff_s) + wait_random(0, limits.backoff_s)

    def pause_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after_s if isinstance(error, FetchUnavailableError) else None
        return max(growing(state), asked or 0.0)

    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, IngressError) and error.retryable),
        wait=pause_s,
        stop=stop_after_attempt(limits.attempts) | stop_when_event_set(stopping),
        sleep=sleep_using_event(stopping),
        reraise=True,
    )


def fetch(
    request: FetchRequest,
    limits: Limits,
    *,
    allow_private_hosts: Collection[str] = (),
    transport: httpx.BaseTransport | None = None,
) -> Answer:
    """Make a request once, following at most five redirects.

    Raises `FetchUnavailableError` for 429, 5xx, timeouts and connections, `FetchError` for all other answers
    than 2xx, `AddressRefusedError`, `AnswerTooLargeError`.
    """
    shown = public_url(request.url)
    deadline = time.monotonic() + limits.timeout_s
    timeout = httpx.Timeout(limits.timeout_s, connect=min(10.0, limits.timeout_s))
    try:
        with httpx.Client(
            transport=transport or CheckedTransport(allow_private_hosts), timeout=timeout
        ) as client:
            first = client.build_request(request.method, request.url, headers=_headers(request))
            return _follow(client, first, request, limits, deadline)
    except httpx.TooManyRedirects as error:
        raise FetchError(f"{shown}: {error}") from None
    except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
        raise FetchUnavailableError(f"{shown}: {type(error).__name__}: {error}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"{shown}: {type(error).__name__}: {error}") from None


def _headers(request: FetchRequest) -> list[tuple[str, str]]:
    named = {name.lower() for name, _ in request.headers}
    return [*request.headers, *([] if "user-agent" in named else [("User-Agent", USER_AGENT)])]


def _follow(
    client: httpx.Client, sent: httpx.Request, request: FetchRequest, limits: Limits, deadline: float
) -> Answer:
    for _ in range(MAX_REDIRECTS + 1):
        origin = (sent.url.scheme, sent.url.host, sent.url.port)
        response = client.send(sent, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                return _answer(response, limits, deadline)
            sent = response.next_request
        finally:
            response.close()
        if (sent.url.scheme, sent.url.host, sent.url.port) != origin:
            for name, _value in request.headers:
                sent.headers.pop(name, None)
    raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects", request=sent)


def _answer(response: httpx.Response, limits: Limits, deadline: float) -> Answer:
    status, shown = response.status_code, public_url(str(response.request.url))
    if status == TOO_MANY_REQUESTS or response.is_server_error:
        raise FetchUnavailableError(f"{shown}: status {status}", _retry_after_s(response))
    if not response.is_success:
        raise FetchError(f"{shown}: status {status}")
    data = bytearray()
    for piece in response.iter_bytes():
        data += piece
        if len(data) > limits.max_bytes:
            raise AnswerTooLargeError(f"{shown}: the answer has more than {limits.max_bytes} bytes")
        if time.monotonic() > deadline:
            raise FetchUnavailableError(f"{shown}: the answer took longer than {limits.timeout_s:g} s")
    return Answer(bytes(data), response.headers.get("Content-Type", ""))


def _retry_after_s(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    try:
        asked = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
    return min(max(asked, 0.0), MAX_RETRY_AFTER_S)
