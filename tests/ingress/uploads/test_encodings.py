"""Bodies with a Content-Encoding, and what only looks like one."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common.errors import PayloadError
from services.ingress_service.errors import BodyTooLargeError, MalformedRequestError
from services.ingress_service.web.uploads.decoding import DECODE_BYTES, decoded
from tests.hypothesis_profiles import examples
from tests.ingress.live import CSV, CSV_TYPE, Service

LINES = b"".join(b"%d,%d\n" % (number, number**2) for number in range(200_000))


def deflated(data: bytes) -> bytes:
    """Raw deflate, without any header."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def cut(data: bytes, lengths: list[int]) -> Iterator[bytes]:
    """The data in blocks of these lengths, the rest in one."""
    start = 0
    for length in lengths:
        yield data[start : start + length]
        start += length
    yield data[start:]


@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        ("gzip", zlib.compress(CSV), "zlib"),
        ("gzip", zlib.compress(CSV, 1), "zlib"),
        ("gzip", deflated(CSV), "gzip"),
        ("gzip", CSV, "without Content-Encoding"),
        ("gzip", zstd(CSV), "like zstd"),
        ("gzip", b"\x1f", "gzip"),
        ("zstd", gzip.compress(CSV), "like gzip"),
        ("zstd", CSV, "without Content-Encoding"),
    ],
    ids=range(8),
)
def test_a_body_that_is_not_what_its_encoding_says_is_a_contradiction(
    service: Service, encoding: str, body: bytes, said: str
) -> None:
    answer = service.post(content=body, headers=CSV_TYPE | {"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed"), answer.text
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gzip.compress(CSV)[:-6], "ends within"),
        (gzip.compress(CSV)[:5], "ends within"),
        (gzip.compress(CSV) + gzip.compress(CSV)[:-1], "ends within"),
        (gzip.compress(CSV) + b"rubbish", "goes on"),
        (gzip.compress(CSV) + bytes(8), "goes on"),
        (gzip.compress(CSV) + zlib.compress(CSV), "goes on"),
        (gzip.compress(CSV)[:-8] + bytes(8), "not valid gzip"),
    ],
    ids=range(7),
)
def test_gzip_that_is_damaged_or_goes_on_as_something_else_is_refused(
    service: Service, body: bytes, said: str
) -> None:
    answer = service.post(content=body, headers=CSV_TYPE | {"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (406, "payload"), answer.text
    assert said in answer.json()["detail"]


def test_gzip_of_several_members_is_one_payload(service: Service) -> None:
    head, _, rest = CSV.partition(b"\n")
    body = b"".join(map(gzip.compress, (head, b"", b"\n", rest)))
    answer = service.post(content=body, headers=CSV_TYPE | {"Content-Encoding": "gzip"})
    assert answer.status_code == 202, answer.text
    assert service.client.get(f"{answer.json()['state_url']}/content").content == CSV


@given(
    members=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4),
    lengths=st.lists(st.integers(0, 70_000), max_size=8),
    level=st.integers(0, 9),
)
@settings(max_examples=examples(25), deadline=None)
def test_any_members_in_any_blocks_are_unpacked(members: list[int], lengths: list[int], level: int) -> None:
    parts = [LINES[:size] for size in members]
    body = b"".join(gzip.compress(part, level) for part in parts)
    pieces = list(decoded(cut(body, lengths), "gzip", 1 << 40))
    assert b"".join(pieces) == b"".join(parts)
    assert all(0 < len(piece) <= 2 * DECODE_BYTES for piece in pieces)


@given(st.integers(0, 2**32), st.integers(1, 3))
@settings(max_examples=examples(30), deadline=None)
def test_gzip_with_a_byte_changed_is_refused_or_the_same(seed: int, bits: int) -> None:
    chance, body = random.Random(seed), bytearray(gzip.compress(CSV))
    place = chance.randrange(len(body))
    body[place] ^= bits
    with suppress(PayloadError, MalformedRequestError):
        assert b"".join(decoded(iter([bytes(body)]), "gzip", 1 << 20)) == CSV


def test_many_small_members_are_bounded_like_one_large() -> None:
    body = gzip.compress(bytes(1 << 20)) * 8
    with pytest.raises(BodyTooLargeError):
        list(decoded(iter([body]), "gzip", 1 << 22))
