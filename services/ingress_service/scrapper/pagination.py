"""From one page of an answer to the request for the next."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import jsonpath

from packages.common.models.scrapper_checks import LINK
from packages.common.models.scrapper_model import Pagination
from services.ingress_service.scrapper.errors import FetchError
from services.ingress_service.scrapper.fetch import Answer
from services.ingress_service.scrapper.requests import FetchRequest, public_url


def first_page(pagination: Pagination, request: FetchRequest) -> FetchRequest:
    """The request for the first page."""
    if pagination.page_param is None:
        return replace(request, chain=request.digest)
    numbered = _numbered(request, pagination.page_param, pagination.first_page)
    return replace(numbered, chain=numbered.digest)


def next_page(pagination: Pagination, request: FetchRequest, answer: Answer) -> FetchRequest | None:
    """The request for the page after this one; None after the last.

    Raises `FetchError` for a link that cannot be read, and beyond `max_pages`.
    """
    if pagination.page_param is not None:
        number = pagination.first_page + request.page
        following: FetchRequest | None = _numbered(request, pagination.page_param, number)
    else:
        link = answer.next_link if pagination.next == LINK else _link_inside(pagination, request, answer)
        following = replace(request, url=_joined(answer.url, link)) if link else None
    if following is None:
        return None
    if request.page >= pagination.max_pages:
        raise FetchError(f"{public_url(request.url)}: more than {pagination.max_pages} pages")
    if following.url == request.url:
        raise FetchError(f"{public_url(request.url)}: the next page is the page itself")
    return replace(following, page=request.page + 1)


def _numbered(request: FetchRequest, name: str, number: int) -> FetchRequest:
    return replace(request, url=str(httpx.URL(request.url).copy_set_param(name, str(number))))


def _link_inside(pagination: Pagination, request: FetchRequest, answer: Answer) -> str | None:
    shown = public_url(request.url)
    try:
        found = jsonpath.findall(pagination.next or "", json.loads(answer.body.read()))
    except (ValueError, jsonpath.JSONPathError) as error:
        raise FetchError(f"{shown}: the link to the next page cannot be read: {error}") from None
    link = found[0] if found else None
    if link is not None and not isinstance(link, str):
        raise FetchError(f"{shown}: {pagination.next} is no address")
    return link


def _joined(base: str, link: str) -> str:
    try:
        url = httpx.URL(base).join(link)
    except httpx.InvalidURL as error:
        raise FetchError(f"{public_url(base)}: the link to the next page is no address: {error}") from None
    if url.scheme not in {"http", "https"} or url.userinfo:
        raise FetchError(f"{public_url(base)}: the link to the next page is no address of http or https")
    return str(url)
