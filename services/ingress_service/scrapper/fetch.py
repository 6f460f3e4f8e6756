"""One HTTP request with bounded time and size."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx

from services.ingress_service.scrapper.addresses import CheckedTransport
from services.ingress_service.scrapper.body import Body
from services.ingress_service.scrapper.deadline import Deadline
from services.ingress_service.scrapper.errors import (
    FetchError,
    FetchUnavailableError,
    NotFoundError,
)
from services.ingress_service.scrapper.receiving import read_body
from services.ingress_service.scrapper.requests import FetchRequest, public_url
from services.ingress_service.scrapper.retries import Limits

MAX_REDIRECTS = 5
TOO_MANY_REQUESTS, NOT_MODIFIED = 429, 304
GONE = frozenset({404, 410})
DEFAULTS = (("User-Agent", "zarr-fuse-ingress"), ("Accept-Encoding", "gzip"))


@dataclass(frozen=True)
class Validators:
    """What the last answer said about itself, for asking only for a newer one."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of a conditional request."""
        pairs = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return [(name, value) for name, value in pairs if value]


NOTHING_KNOWN = Validators()


@dataclass(frozen=True)
class Answer:
    """A successful answer; `not_modified` where the server says that the last one still holds."""

    body: Body
    content_type: str
    validators: Validators = NOTHING_KNOWN
    not_modified: bool = False
    next_link: str | None = None
    url: str = field(default="", compare=False)


def fetch(
    request: FetchRequest,
    limits: Limits,
    *,
    allow_private_hosts: Collection[str] = (),
    credentials: Collection[tuple[str, str]] = (),
    validators: Validators = NOTHING_KNOWN,
) -> Answer:
    """Make a request once, following at most five redirects.

    Headers and body of the request and `credentials` do not follow to another host. Raises
    `FetchUnavailableError` for 429, 5xx, timeouts and connections, `FetchError` for all other answers than
    2xx, `AddressRefusedError`, `AnswerTooLargeError`.
    """
    shown = public_url(request.url)
    timeout = httpx.Timeout(limits.timeout_s, connect=min(10.0, limits.timeout_s))
    headers = [*_headers(request), *credentials, *validators.headers]
    transport = CheckedTransport(Deadline(limits.timeout_s), allow_private_hosts)
    try:
        with httpx.Client(transport=transport, timeout=timeout, trust_env=False) as client:
            sent = client.build_request(request.method, request.url, headers=headers, content=request.body)
            return _follow(client, sent, [name for name, _ in headers], limits)
    except httpx.TooManyRedirects as error:
        raise FetchError(f"{shown}: {error}") from None
    except httpx.ReadTimeout:
        raise FetchUnavailableError(f"{shown}: the answer took longer than {limits.timeout_s:g} s") from None
    except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
        raise FetchUnavailableError(f"{shown}: {type(error).__name__}: {error}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"{shown}: {type(error).__name__}: {error}") from None


def _headers(request: FetchRequest) -> list[tuple[str, str]]:
    named = {name.lower() for name, _ in request.headers}
    return [*((name, value) for name, value in DEFAULTS if name.lower() not in named), *request.headers]


def _follow(client: httpx.Client, sent: httpx.Request, names: Collection[str], limits: Limits) -> Answer:
    for _ in range(MAX_REDIRECTS + 1):
        origin = origin_of(sent.url)
        response = client.send(sent, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                return _answer(response, limits)
            sent = response.next_request
        finally:
            response.close()
        if origin_of(sent.url) != origin:
            _keep_back(sent, names)
    raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects", request=sent)


def _keep_back(sent: httpx.Request, names: Collection[str]) -> None:
    """Let a request that goes to another host tell nothing that was meant for the first one."""
    if sent.method not in {"GET", "HEAD"}:
        raise FetchError(f"{public_url(str(sent.url))}: a request with a body is not sent on to another host")
    for name in set(names) - {name for name, _ in DEFAULTS}:
        sent.headers.pop(name, None)


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a credential belongs to."""
    return url.scheme, url.host, url.port


def _answer(response: httpx.Response, limits: Limits) -> Answer:
    _refuse_failure(response)
    headers = response.headers
    return Answer(
        body=read_body(response, limits),
        content_type=headers.get("Content-Type", ""),
        validators=Validators(headers.get("ETag"), headers.get("Last-Modified")),
        not_modified=response.status_code == NOT_MODIFIED,
        next_link=response.links.get("next", {}).get("url"),
        url=str(response.request.url),
    )


def _refuse_failure(response: httpx.Response) -> None:
    status, shown = response.status_code, public_url(str(response.request.url))
    if status == TOO_MANY_REQUESTS or response.is_server_error:
        raise FetchUnavailableError(f"{shown}: status {status}", _retry_after_s(response))
    if status in GONE:
        raise NotFoundError(f"{shown}: status {status}")
    conditional = {"if-none-match", "if-modified-since"} & response.request.headers.keys()
    if not response.is_success and not (status == NOT_MODIFIED and conditional):
        raise FetchError(f"{shown}: status {status}")


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds or a date (RFC 9110); what is neither is ignored."""
    text = response.headers.get("Retry-After", "")
    try:
        asked = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
    return max(asked, 0.0)
