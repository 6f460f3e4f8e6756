"""Bodies that are larger than what is held in memory, on a real server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from packages.common.keys import ItemState
from packages.common.local_files import STAGING
from packages.common.payloads import pieces as payload_pieces
from packages.common.queue import Queue
from services.ingress_service.web.uploads.holding import HELD_BYTES
from tests.ingress.hostile import connected
from tests.ingress.live import CSV_TYPE, Service
from tests.rigs.s3 import Bucket
from tests.rigs.waiting import wait_until

HEADER = b"time,name,temperature,humidity\n"
ROW = b'2026-10-01T00:%02d:00Z,"east, ""far""",%d.5,80\n'
LARGE = HEADER + b"".join(ROW % (number % 60, number % 40) for number in range(50_000))
NDJSON = b'{"time": "2026-10-01T00:00:00Z", "note": "%b"}\n' % (b"x" * 150) * 10_000
assert min(len(LARGE), len(NDJSON)) > 1.5 * HELD_BYTES


def in_pieces(data: bytes, size_bytes: int = 50_000) -> Iterator[bytes]:
    for start in range(0, len(data), size_bytes):
        yield data[start : start + size_bytes]


def staged(service: Service) -> list[Path]:
    folder = Path(service.settings.s3_queue_url.removeprefix("file://")) / STAGING
    return [path for path in folder.glob("*") if path.stat().st_size]


@pytest.fixture(autouse=True)
def _nothing_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "service" in request.fixturenames:
        service = request.getfixturevalue("service")
        gate = service.app.state.ingress.gate
        wait_until(lambda: (gate.uploads, gate.bytes_held, staged(service)) == (0, 0, []), "an empty gate")


def stored(queue: Queue, answer: httpx.Response) -> tuple[bytes, dict[str, Any]]:
    assert answer.status_code == 202, answer.text
    item = queue.find(answer.json()["item_id"])
    assert item is not None
    assert item.state is ItemState.ACCEPTED
    return queue.payload(item), json.loads(queue.storage.get(item.metadata_key))


@pytest.mark.parametrize("wrapping", ["plain", "chunked", "gzip", "zstd", "form", "gzip form"])
def test_a_large_body_is_stored_as_it_is(service: Service, wrapping: str) -> None:
    headers, content = dict(CSV_TYPE), LARGE
    if "form" in wrapping:
        request = httpx.Request("POST", "http://x", files={"file": ("a.csv", LARGE, "text/csv")})
        content, headers = request.read(), {"Content-Type": request.headers["content-type"]}
    if "gzip" in wrapping:
        content, headers["Content-Encoding"] = gzip.compress(content, 1), "gzip"
    if wrapping == "zstd":
        content, headers["Content-Encoding"] = bytes(pa.compress(LARGE, "zstd", asbytes=True)), "zstd"
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    headers["Repr-Digest"] = f"sha-256=:{digest}:"
    body = in_pieces(content) if wrapping == "chunked" else content
    payload, metadata = stored(service.queue, service.post(content=body, headers=headers))
    assert payload == LARGE
    assert metadata["size_bytes"] == len(LARGE)
    assert metadata["sha256"] == hashlib.sha256(LARGE).hexdigest()
    assert metadata["filename"] == ("a.csv" if "form" in wrapping else None)


@pytest.mark.parametrize(
    ("content", "content_type", "status", "said"),
    [
        (LARGE + b"2026-10-01,x\n", "text/csv", 406, "line 50002"),
        (LARGE + b'2026-10-01,"x\n', "text/csv", 406, "line 50002"),
        (LARGE.replace(b"time,", b"when,"), "text/csv", 400, "'time'"),
        (NDJSON + b"[1]\n", "application/x-ndjson", 406, "row 10000"),
        (NDJSON + b"[\n", "application/x-ndjson", 406, "line 10001"),
        (NDJSON, "application/x-ndjson", 400, "'name'"),
    ],
)
def test_a_fault_far_down_is_found_and_leaves_nothing(
    service: Service, content: bytes, content_type: str, status: int, said: str
) -> None:
    before = service.stored_keys()
    answer = service.post(content=in_pieces(content), headers={"Content-Type": content_type})
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert service.stored_keys() == before


def test_a_column_may_appear_late_in_ndjson(service: Service) -> None:
    late = b'{"time": "2026-10-01T00:00:00Z", "name": "east"}\n'
    answer = service.post(content=NDJSON + late, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 202, answer.text


def test_a_wrong_digest_of_a_large_body_leaves_nothing(service: Service) -> None:
    before = service.stored_keys()
    digest = base64.b64encode(hashlib.sha256(LARGE + b"\n").digest()).decode()
    answer = service.post(content=LARGE, headers=CSV_TYPE | {"Repr-Digest": f"sha-256=:{digest}:"})
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")
    assert service.stored_keys() == before


def test_the_limit_counts_received_bytes_without_a_declared_length(service: Service) -> None:
    before = service.stored_keys()
    answer = service.post(content=in_pieces(LARGE + LARGE.removeprefix(HEADER) * 3))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert service.stored_keys() == before


def test_a_json_document_larger_than_memory_allows_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_pieces, "WHOLE_BYTES", 1 << 20)
    rows = json.dumps([{"time": "2026-10-01T00:00:00Z", "name": "east"}] * 40_000).encode()
    answer = service.post(content=rows, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert "application/x-ndjson" in answer.json()["detail"]


def test_a_trial_converts_all_rows_and_says_how_many(service: Service) -> None:
    before = service.stored_keys()
    bad = LARGE.replace(b"39.5", b"warm")
    report = service.post("/api/v1/weather?validate=only", bad).json()
    assert report["rows"] == report["sample_rows"] == 50_000
    assert report["finding_counts"] == {"not_convertible": 1250}
    assert report["findings"][0]["row"] == 39
    assert service.stored_keys() == before


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_goes_away_far_into_a_large_body_leaves_nothing(service: Service, framing: str) -> None:
    before = service.stored_keys()
    authorization = base64.b64encode(b"alice:wonder").decode()
    length = f"Content-Length: {len(LARGE) + 1}" if framing == "length" else "Transfer-Encoding: chunked"
    head = f"POST /api/v1/weather HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {authorization}\r\n{length}\r\n"
    begin = f"{len(LARGE):x}\r\n".encode() if framing == "chunked" else b""
    with connected(service) as connection:
        connection.sendall(head.encode() + b"Content-Type: text/csv\r\n\r\n" + begin + LARGE[:-1])
        wait_until(lambda: staged(service), "a staged file")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert service.stored_keys() == before


@pytest.fixture
def on_s3(bucket: Bucket, start: Callable[..., Service]) -> Service:
    """A service on a real S3."""
    return start(s3_store_url=bucket.url("store.zarr"), **bucket.access, max_upload_bytes=64 << 20)


def test_a_large_body_goes_up_in_parts_that_nobody_sees_before_the_last(
    on_s3: Service, bucket: Bucket
) -> None:
    body = LARGE + LARGE.removeprefix(HEADER) * 4
    assert len(body) > 10 << 20

    def watched() -> Iterator[bytes]:
        for piece in in_pieces(body, 4 << 20):
            assert on_s3.stored_keys() == set()
            yield piece

    payload, _ = stored(on_s3.queue, on_s3.post(content=watched()))
    assert payload == body
    assert len(on_s3.stored_keys()) == 2
    assert bucket.unfinished("queue/accepted") == []


def test_a_refused_upload_in_parts_is_aborted(on_s3: Service, bucket: Bucket) -> None:
    body = LARGE + LARGE.removeprefix(HEADER) * 2 + b"1,2\n"
    assert on_s3.post(content=in_pieces(body)).status_code == 406
    assert on_s3.stored_keys() == set()
    assert bucket.unfinished("queue/accepted") == []
