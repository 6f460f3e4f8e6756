"""Takes the body of an answer in, unpacked, and never more of it than is allowed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx

from packages.common.errors import PayloadError
from services.ingress_service.scrapper.body import PIECE_BYTES, Body, BodyWriter
from services.ingress_service.scrapper.errors import AnswerTooLargeError, FetchError
from services.ingress_service.scrapper.requests import public_url
from services.ingress_service.scrapper.retries import Limits
from services.ingress_service.web.uploads.gunzip import gunzipped

GZIP = frozenset({"gzip", "x-gzip"})


def read_body(response: httpx.Response, limits: Limits) -> Body:
    """The whole body; raises `AnswerTooLargeError`, and `FetchError` where it cannot be unpacked."""
    encoding = response.headers.get("Content-Encoding", "")
    with BodyWriter() as writer:
        try:
            for piece in _unpacked(_received(response, limits), encoding):
                writer.write(piece)
                if writer.size_bytes > limits.max_bytes:
                    raise _too_large(response)
        except PayloadError as error:
            raise FetchError(f"{_shown(response)}: {error}") from None
        return writer.finish()


def _received(response: httpx.Response, limits: Limits) -> Iterator[bytes]:
    """The bytes as they come, which may become many more, or none for long."""
    most = limits.max_received_bytes
    for piece in response.iter_raw():
        if most is not None and response.num_bytes_downloaded > most:
            raise _too_large(response)
        yield piece


def _unpacked(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The bytes behind a content encoding, about a MiB at a time, however far they expand."""
    first = next(pieces, b"")
    if not first:
        return
    pieces = itertools.chain([first], pieces)
    if (name := encoding.strip().lower()) in GZIP:
        yield from gunzipped(pieces, PIECE_BYTES)
    elif name in {"", "identity"}:
        yield from pieces
    else:
        raise PayloadError(f"the answer has the Content-Encoding {encoding!r}; only gzip is undone")


def _too_large(response: httpx.Response) -> AnswerTooLargeError:
    return AnswerTooLargeError(f"{_shown(response)}: the answer has more bytes than are taken")


def _shown(response: httpx.Response) -> str:
    return public_url(str(response.request.url))
