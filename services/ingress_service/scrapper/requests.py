"""From a scraper and its fire time to the request it makes, and to the name of the item that comes of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from packages.common.keys import new_item_id
from packages.common.models.configuration_model import Scrapper


@dataclass(frozen=True)
class FetchRequest:
    """One request as it is sent; `headers` may hold secrets and stay out of `repr`."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    dataframe_row: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over everything that is sent, in hex; the same in every replica."""
        text = json.dumps([self.method, self.url, self.headers], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def render(scrapper: Scrapper) -> list[FetchRequest]:
    """The requests that one firing of a scraper makes."""
    return [FetchRequest(url=scrapper.url, method=scrapper.method)]


def item_id_of(scrapper: Scrapper, fired_at: datetime, request: FetchRequest) -> str:
    """The id of the item: its time is the fire time, its unique part a hash of scraper, time and request."""
    moment = fired_at.astimezone(UTC).isoformat(timespec="seconds")
    text = "\n".join((scrapper.name, moment, request.digest))
    return new_item_id(scrapper.name, "", fired_at, hashlib.sha256(text.encode()).hexdigest()[:12])


def public_url(url: str) -> str:
    """An address without its query, which may hold keys."""
    return str(httpx.URL(url).copy_with(query=None, fragment=None))
