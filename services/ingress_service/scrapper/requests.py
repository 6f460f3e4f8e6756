"""From a job and its fire time to the requests it makes, and to the names of the items that come of them."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from packages.common.keys import new_item_id
from packages.common.templates import Template
from services.ingress_service.scrapper.errors import PlanError
from services.ingress_service.scrapper.model import Choice, Job, JsonBody, RequestPlan, Variables
from services.ingress_service.scrapper.schedule import schedules_at

MAX_REQUESTS = 10_000
JSON_TYPE = ("Content-Type", "application/json")
SAFE = "/-._~:,@!$'()*;%"
SECRET_NAME = re.compile(
    r"(^|[-_]|api)key$|token|secret|passw|authoriz|appid|cookie|signature", re.IGNORECASE
)


@dataclass(frozen=True)
class FetchRequest:
    """One request as it is sent; `headers` and `body` may hold secrets and stay out of `repr`.

    `page` counts from 1; the pages behind the first are told apart by their number alone, because the links
    that lead to them may differ from replica to replica.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    dataframe_row: dict[str, Any] | None = None
    body: bytes | None = field(default=None, repr=False)
    page: int = 1
    chain: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over everything that is sent and the row it is for, in hex; the same in every replica."""
        if self.chain and self.page > 1:
            return hashlib.sha256(f"{self.chain}\n{self.page}".encode()).hexdigest()
        parts: list[Any] = [self.method, self.url, self.headers]
        if self.body is not None or self.dataframe_row is not None:
            parts += [self.body.decode(errors="replace") if self.body else None, self.dataframe_row]
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def render(job: Job, fired_at: datetime) -> list[FetchRequest]:
    """The requests of a firing, in the order of its schedules and sources; `PlanError` where it has none."""
    sources = [source() for source in job.sources]
    variables = [dict(schedule.values) for schedule in schedules_at(job, fired_at)]
    if len(variables) * math.prod(map(len, sources)) > MAX_REQUESTS:
        raise PlanError(f"a firing would make more than {MAX_REQUESTS} requests")
    requests = [
        _request(job.request, {**values, **job.at_time(fired_at), **_merged(chosen)}, chosen)
        for values in variables
        for chosen in itertools.product(*sources)
    ]
    if not requests:
        raise PlanError("no row has all the values that a request needs")
    return requests


def _merged(chosen: Sequence[Choice]) -> dict[str, str]:
    return {name: value for choice in chosen for name, value in choice.variables.items()}


def _request(plan: RequestPlan, variables: Variables, chosen: Sequence[Choice]) -> FetchRequest:
    rows = [choice.row for choice in chosen if choice.row is not None]
    headers = [(name, template.render(variables)) for name, template in plan.headers]
    if plan.body is not None and not isinstance(plan.body, Template) and not _has(headers, JSON_TYPE[0]):
        headers.append(JSON_TYPE)
    return FetchRequest(
        url=_url(plan, variables),
        method=plan.method,
        headers=tuple(headers),
        dataframe_row=_as_json({name: value for row in rows for name, value in row.items()})
        if rows
        else None,
        body=_body(plan.body, variables),
    )


def _has(headers: Sequence[tuple[str, str]], wanted: str) -> bool:
    return any(name.lower() == wanted.lower() for name, _ in headers)


def _url(plan: RequestPlan, variables: Variables) -> str:
    text = plan.url.render(variables, _quoted)
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise PlanError(f"the address of a request is not valid: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
        raise PlanError(f"{url.scheme}://{url.host} is no address to fetch: only http and https are")
    if not plan.params:
        return text
    added = [(name, template.render(variables)) for name, template in plan.params]
    return str(url.copy_with(params=httpx.QueryParams([*url.params.multi_items(), *added])))


def _quoted(before: str, value: str) -> str:
    """A value as it may stand in an address: behind the host it neither ends the path nor adds parameters."""
    return quote(value, safe=SAFE) if "/" in before.partition("://")[2] else value


def _body(body: JsonBody | None, variables: Variables) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, Template):
        return body.render(variables).encode()
    return json.dumps(_filled(body, variables), ensure_ascii=False).encode()


def _filled(value: Any, variables: Variables) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(value, Template):
        return value.render(variables)
    if isinstance(value, Mapping):
        return {name: _filled(part, variables) for name, part in value.items()}
    return [_filled(part, variables) for part in value] if isinstance(value, list) else value


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it: what is neither text nor number becomes its text."""
    plain = (str, int, float, bool, type(None))
    return {name: value if isinstance(value, plain) else str(value) for name, value in row.items()}


def item_id_of(name: str, fired_at: datetime, request: FetchRequest) -> str:
    """The id of the item: its time is the fire time, its unique part a hash of scraper, time and request."""
    moment = fired_at.astimezone(UTC).isoformat(timespec="seconds")
    text = "\n".join((name, moment, request.digest))
    return new_item_id(name, "", fired_at, hashlib.sha256(text.encode()).hexdigest()[:12])


def public_url(url: str) -> str:
    """An address without its query, which may hold keys."""
    return str(httpx.URL(url).copy_with(query=None, fragment=None))


def shown_url(url: str) -> str:
    """An address with its query, except for values of parameters that are named like secrets."""
    parts = httpx.URL(url)
    for name in parts.params:
        if SECRET_NAME.search(name):
            parts = parts.copy_set_param(name, "HIDDEN")
    return str(parts)
