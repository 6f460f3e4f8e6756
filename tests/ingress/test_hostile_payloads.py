"""Bodies that are small on the wire and large behind it, or no text at all."""

from __future__ import annotations

import bz2
import gzip
import json
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from tests.ingress.hostile import check_refusal, chunked, exchange, multipart, post, status, unharmed
from tests.ingress.live import CSV, Service

FORM = "multipart/form-data; boundary=b0undary"
PART = 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv'
ZEROS = bytes(64 << 20)
SLOWEST_S = 30
"""Of the processor, so that no other load counts."""


def zstd(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


def repeated(header: bytes, row: bytes, size_bytes: int) -> bytes:
    return header + row * (size_bytes // len(row))


BOMBS = {
    "gzip of zeros": (gzip.compress(ZEROS), "gzip", {406, 413}),
    "gzip of rows": (gzip.compress(repeated(b"time,name\n", b"1,2\n", 32 << 20)), "gzip", {413}),
    "gzip of gzip": (gzip.compress(gzip.compress(ZEROS)), "gzip", {400, 406}),
    "gzip, many members": (gzip.compress(bytes(1 << 20)) * 64, "gzip", {406, 413}),
    "gzip, cut": (gzip.compress(CSV)[:-6], "gzip", {406}),
    "gzip, rubbish behind": (gzip.compress(CSV) + b"rubbish", "gzip", {406}),
    "gzip, wrong sum": (gzip.compress(CSV)[:-8] + bytes(8), "gzip", {406}),
    "zstd of zeros": (zstd(ZEROS), "zstd", {406, 413}),
    "zstd of zstd": (zstd(zstd(ZEROS)), "zstd", {400, 406}),
    "zstd, window of 2 GiB": (b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(20), "zstd", {406}),
    "zstd, cut": (zstd(CSV)[:-6], "zstd", {406}),
    "nothing as gzip": (b"\0", "gzip", {400}),
    "two encodings": (gzip.compress(zstd(CSV)), "zstd, gzip", {415}),
    "unknown encoding": (CSV, "br", {415}),
    "bzip2 encoding": (bz2.compress(CSV), "bzip2", {415}),
}
TEXTS = {
    "broken UTF-8 in a header": (b"time,n\xff\xfeme\n1,2\n", "text/csv", {400, 406}),
    "broken UTF-8 in a value": (CSV + b"2026-10-01T02:00:00Z,\xc3\x28,1,1\n", "text/csv", {406}),
    "broken UTF-8 late": (CSV * 20_000 + b"x,\xff,1,1\n", "text/csv", {406}),
    "surrogates in CSV": (CSV + b"2026-10-01T02:00:00Z,\xed\xa0\x80,1,1\n", "text/csv", {406}),
    "UTF-16 as CSV": (CSV.decode().encode("utf-16"), "text/csv", {400, 406}),
    "NUL in a value": (CSV + b"2026-10-01T02:00:00Z,ea\0st,1,1\n", "text/csv", {406}),
    "NUL in a late value": (CSV + CSV[31:] * 60_000 + b"x,\0,1,1\n", "text/csv", {406}),
    "only NULs": (bytes(1 << 20), "text/csv", {406}),
    "broken UTF-8 in JSON": (b'[{"time": "\xff"}]', "application/json", {406}),
    "NUL in JSON": (b'[{"time": "a\0b"}]', "application/json", {406}),
    "lone surrogate in JSON": (b'[{"time": "\\ud800"}]', "application/json", {406}),
    "JSON of depth 100,000": (b'[{"a":' * 100_000, "application/json", {406}),
    "closed JSON of depth 100,000": (b"[" * 100_000 + b"]" * 100_000, "application/json", {406}),
    "number of a million digits": (b'[{"a": ' + b"9" * 1_000_000 + b"}]", "application/json", {406}),
    "a key many times": (b"[{" + b'"a": 1,' * 100_000 + b'"a": 1}]', "application/json", {406}),
    "NaN": (b'[{"a": NaN}]', "application/json", {406}),
    "deep NDJSON": (b'{"a":1}\n' + b"[" * 100_000 + b"\n", "application/x-ndjson", {400, 406}),
    "NDJSON of one line": (b'{"a": "' + b"x" * (7 << 20) + b'"}', "application/x-ndjson", {400, 406}),
    "100,000 columns": (
        b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"," * 99_999 + b"\n",
        "text/csv",
        {400, 406},
    ),
    "100,000 equal columns": (b"," * 99_999 + b"\n" + b"," * 99_999 + b"\n", "text/csv", {400, 406}),
    "100,000 keys": (json.dumps({f"k{n}": n for n in range(100_000)}).encode(), "application/json", {406}),
    "rows of 100,000 fields": (b"time,name\n" + b"1" + b"," * 100_000 + b"\n", "text/csv", {406}),
    "open quote": (b'time,name\n"' + b"a,b\n" * 500_000, "text/csv", {406}),
    "only quotes": (b'"' * 2_000_001, "text/csv", {400, 406}),
    "only line ends": (b"\r\n" * 1_000_000, "text/csv", {406}),
    "HTML": (b"<html><body>502 Bad Gateway</body></html>\n", "text/csv", {400, 406}),
    "unknown charset": (CSV, "text/csv; charset=klingon", {415}),
    "charset that unpacks": (CSV, "text/csv; charset=bz2", {415}),
    "charset that runs": (CSV, "text/csv; charset=idna", {415}),
    "type with line ends": (CSV, "text/csv;\tcharset=\xff", {400, 415}),
    "type of 5 kB": (CSV, "text/" + "x" * 5000, {415}),
}
FORMS = {
    "a thousand parts": (
        [(f'Content-Disposition: form-data; name="p{n}"', b"x") for n in range(1000)],
        {400},
    ),
    "a thousand files": ([(PART, CSV)] * 1000, {400}),
    "no file": ([('Content-Disposition: form-data; name="other"', CSV)], {400}),
    "no name": ([("Content-Disposition: form-data", CSV)], {400}),
    "no header": ([("", CSV)], {400}),
    "a part of 2,000 headers": ([("\r\n".join([PART, *(f"X-{n}: y" for n in range(2000))]), CSV)], {400}),
    "a header of 1 MB": ([(PART + "\r\nX-Y: " + "z" * 1_000_000, CSV)], {400}),
    "base64": ([(PART + "\r\nContent-Transfer-Encoding: base64", CSV)], {400}),
    "form in a form": ([(PART.replace("text/csv", FORM), multipart((PART, CSV)))], {400, 415}),
    "empty file": ([(PART, b"")], {406}),
    "broken UTF-8 in the name": ([(PART.replace('"file"', '"\xff\xfe"'), CSV)], {400}),
}


@pytest.fixture(autouse=True)
def _unharmed(service: Service) -> Iterator[None]:
    started_s = time.process_time()
    with unharmed(service):
        yield
    assert time.process_time() - started_s < SLOWEST_S


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(service: Service, name: str) -> None:
    body, encoding, statuses = BOMBS[name]
    check_refusal(exchange(service, post(f"Content-Encoding: {encoding}", body=body)), statuses)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_none_are_refused(service: Service, name: str) -> None:
    body, content_type, statuses = TEXTS[name]
    request = post("Content-Type: " + content_type, body=body, content_type=None)
    check_refusal(exchange(service, request), statuses)


@pytest.mark.parametrize("name", FORMS)
def test_odd_forms_are_refused(service: Service, name: str) -> None:
    parts, statuses = FORMS[name]
    check_refusal(exchange(service, post(body=multipart(*parts), content_type=FORM)), statuses)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", multipart((PART, CSV))),
        ("multipart/form-data; boundary=", multipart((PART, CSV))),
        ("multipart/form-data; boundary=" + "b" * 200, multipart((PART, CSV))),
        (FORM, multipart((PART, CSV))[:-12]),
        (FORM, multipart((PART, CSV)).replace(b"b0undary", b"another")),
        (FORM, b"--b0undary\r\n" * 100_000),
        (FORM, b"--b0undary--\r\n"),
        (FORM, b"\r\n" * 1_000_000),
        ("multipart/mixed; boundary=b0undary", multipart((PART, CSV))),
    ],
)
def test_forms_that_are_none_are_refused(service: Service, content_type: str, body: bytes) -> None:
    check_refusal(exchange(service, post(body=body, content_type=content_type)), {400, 406, 415})


def test_one_line_of_100_mb_is_refused_without_being_kept(service: Service) -> None:
    piece = b"x" * (1 << 20)
    request = post("Transfer-Encoding: chunked", body=chunked(*[piece] * 100), length=False)
    check_refusal(exchange(service, request), {406, 413})


def test_a_body_in_chunks_of_one_byte_is_taken(service: Service) -> None:
    body = chunked(*(CSV[position : position + 1] for position in range(len(CSV))))
    request = post(
        "Transfer-Encoding: chunked", path="/api/v1/weather?validate=only", body=body, length=False
    )
    assert status(exchange(service, request)) == 200


def test_types_that_contradict_each_other_are_refused(service: Service) -> None:
    check_refusal(exchange(service, post("Content-Type: application/json", body=CSV)), {400})
