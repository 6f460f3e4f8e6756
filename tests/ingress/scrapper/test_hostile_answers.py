"""Servers that want more of a scraper than an answer should cost."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib

import pytest

from services.ingress_service.scrapper.errors import AnswerTooLargeError, FetchError, FetchUnavailableError
from services.ingress_service.scrapper.fetch import fetch
from services.ingress_service.scrapper.requests import FetchRequest
from services.ingress_service.scrapper.retries import Limits
from tests.ingress.scrapper_site import CSV, dripping, running_site
from tests.rigs.waiting import PATIENCE_S

LIMITS = Limits(timeout_s=PATIENCE_S, max_bytes=100_000)
SHORT = Limits(timeout_s=1.0, max_bytes=100_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
GZIP_WITH_NAME = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"


def get(url: str, limits: Limits = LIMITS, **request):
    return fetch(FetchRequest(url, **request), limits, allow_private_hosts=["127.0.0.1"])


def packed(*layers: str, size_bytes: int = 50_000_000):
    body = b"0" * size_bytes
    for _ in layers:
        body = gzip.compress(body, 6)
    return 200, {"Content-Type": "text/csv", "Content-Encoding": ", ".join(layers)}, body


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (HEAD, b"X"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + GZIP_WITH_NAME, b"x"),
    ],
    ids=["hints", "headers", "chunk extension", "name in gzip"],
)
def test_a_drip_that_never_becomes_a_byte_of_the_body_ends_at_the_timeout(site, head, drop):
    site.replies["/x"] = dripping(head, drop)
    with pytest.raises(FetchUnavailableError, match="longer than 1 s"):
        get(f"{site.url}/x", SHORT)


def test_a_bomb_is_never_unpacked_in_memory(site):
    site.replies["/x"] = packed("gzip")
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLargeError):
            get(f"{site.url}/x")
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_in_a_bomb_is_not_opened(site):
    site.replies["/x"] = packed("gzip", "gzip", size_bytes=1_000)
    with pytest.raises(FetchError, match="Content-Encoding 'gzip, gzip'"):
        get(f"{site.url}/x")


def test_only_encodings_that_are_undone_are_asked_for(site):
    get(f"{site.url}/data.csv")
    assert site.requests[0][1]["accept-encoding"] == "gzip"


def test_an_answer_packed_in_pieces_is_unpacked_whole(site):
    body = b"".join(gzip.compress(CSV[start : start + 10]) for start in range(0, len(CSV), 10))
    site.replies["/x"] = (200, {"Content-Encoding": "gzip"}, body)
    assert get(f"{site.url}/x").body.read() == CSV


def test_an_answer_whose_packed_bytes_end_too_early_is_not_taken(site):
    body = random.Random(1).randbytes(1000)
    site.replies["/x"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(body)[:-9])
    with pytest.raises(FetchError, match="gzip"):
        get(f"{site.url}/x")


def test_packed_bytes_are_counted_as_they_come(site):
    site.replies["/x"] = (200, {"Content-Encoding": "gzip"}, GZIP_WITH_NAME + b"x" * 50_000)
    with pytest.raises(AnswerTooLargeError):
        get(f"{site.url}/x", Limits(timeout_s=PATIENCE_S, max_bytes=10, max_received_bytes=10_000))


@pytest.mark.parametrize("encoding", ["br", "deflate"])
def test_other_encodings_are_named(site, encoding):
    site.replies["/x"] = (200, {"Content-Encoding": encoding}, zlib.compress(CSV))
    with pytest.raises(FetchError, match=encoding):
        get(f"{site.url}/x")


def test_an_empty_answer_has_nothing_to_unpack(site):
    site.replies["/x"] = (200, {"Content-Encoding": "gzip"}, b"")
    assert get(f"{site.url}/x").body.read() == b""


@pytest.mark.parametrize("status", [307, 308])
def test_a_body_does_not_follow_to_another_host(site, status):
    with running_site() as other:
        site.replies["/a"] = (status, {"Location": f"{other.url}/data.csv"}, b"")
        with pytest.raises(FetchError, match="another host"):
            get(f"{site.url}/a", method="POST", body=b'{"token": "secret"}')
        assert other.bodies == []


def test_a_body_follows_on_the_same_host(site):
    site.replies["/a"] = (307, {"Location": "/data.csv"}, b"")
    assert get(f"{site.url}/a", method="POST", body=b"asked").body.read() == CSV
    assert site.bodies == [b"asked", b"asked"]
