"""What only a real server and a rude client bring to light."""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from services.ingress_service.web import limits
from services.ingress_service.web.uploads import bodies
from tests.ingress.hostile import connected, ending, head, status, unharmed
from tests.ingress.live import CSV, Service, receive
from tests.rigs.waiting import wait_until

JSON_TYPE = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _unharmed(service: Service) -> Iterator[None]:
    with unharmed(service):
        yield


def test_a_declared_length_over_the_limit_is_refused_before_any_byte(service: Service) -> None:
    answer = service.raw(head("Content-Length: 99999999999"))
    assert status(answer) == 413
    assert b"connection: close" in answer.lower()


def test_wrong_credentials_are_refused_without_asking_for_the_body(service: Service) -> None:
    wrong = base64.b64encode(b"alice:guess").decode()
    answer = service.raw(head("Content-Length: 5000000", "Expect: 100-continue", auth=wrong))
    assert status(answer) == 401


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_client_that_goes_away_in_the_middle_leaves_nothing(service: Service, framing: str) -> None:
    sent = {
        "length": head(f"Content-Length: {len(CSV) * 2}") + CSV,
        "chunked": head("Transfer-Encoding: chunked") + f"{len(CSV):x}\r\n".encode() + CSV + b"\r\n",
    }[framing]
    with connected(service) as connection:
        connection.sendall(sent)
        wait_until(lambda: service.app.state.ingress.gate.uploads, "the upload")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("tail", [b"zz\r\n", b"ffffffffffffffffffff\r\n", b"-1\r\n", b"5\r\nab"])
def test_broken_chunks_leave_nothing(service: Service, tail: bytes) -> None:
    with connected(service) as connection, ending():
        connection.sendall(head("Transfer-Encoding: chunked") + tail)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)


def test_the_refusal_reaches_a_client_that_goes_on_sending(service: Service) -> None:
    piece = b"10000\r\n" + b"0" * 0x10000 + b"\r\n"
    with connected(service) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        for _ in range(400):
            connection.sendall(piece)
        answer = receive(connection)
    assert status(answer) == 413
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"


def test_a_client_that_never_stops_is_cut_off(service: Service) -> None:
    piece = b"10000\r\n" + b"0" * 0x10000 + b"\r\n"
    sent = 0
    with connected(service) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        with suppress(ConnectionError):
            while sent < 1 << 31:
                connection.sendall(piece)
                sent += len(piece)
    assert sent < 1 << 30


def test_a_client_that_stops_sending_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "CHUNK_TIMEOUT_S", 0.1)
    answer = service.raw(head("Content-Length: 100") + b"time,name\n")
    assert status(answer) == 408
    assert b"body_timeout" in answer


def test_a_client_that_sends_too_slowly_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)
    started = time.monotonic()
    with connected(service) as connection:
        connection.sendall(head("Content-Length: 100"))
        for _ in range(6):
            time.sleep(0.05)
            connection.sendall(b"x")
        assert status(receive(connection)) == 408
    assert time.monotonic() - started < bodies.CHUNK_TIMEOUT_S / 2


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00",
        b"POST /api/v1/weather HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/weather HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        head("X-Large: " + "x" * 200_000),
        head(*(f"X-{number}: {'y' * 100}" for number in range(2000))),
        b"POST /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused_by_the_server_itself(service: Service, request_bytes: bytes) -> None:
    answer = b""
    with connected(service) as connection, ending():
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer == b"" or status(answer) in {400, 431}


@pytest.mark.parametrize(
    "path", ["/api/v1/weather/%ff%fe", "/api/v1/weather/%e2%80%ae", "/api/v1/weather/%f0%9f"]
)
def test_paths_that_are_no_text_are_refused(service: Service, path: str) -> None:
    assert status(service.raw(head("Content-Length: 1", path=path) + b"x")) in {400, 404}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[" * 2_000_000, "payload"),
        (b'{"a":' * 300_000, "payload"),
        (b"[" + b"1," * 1_000_000, "payload"),
        (b"[1e999999999]", "payload"),
        (b'[{"a": NaN}]', "payload"),
        (b'[{"a": 1, "a": 2}]', "payload"),
        (b"9" * 1_000_000, "payload"),
        (b'"' + b"\\u0000" * 100_000 + b'"', "payload"),
        (b'[{"time": "\\ud800"}]', "payload"),
    ],
)
def test_json_bombs_are_refused_quickly(service: Service, content: bytes, code: str) -> None:
    started_s = time.process_time()
    answer = service.post(content=content, headers=JSON_TYPE)
    assert (answer.status_code, answer.json()["code"]) == (406, code), answer.text
    assert time.process_time() - started_s < 20


@pytest.mark.parametrize(
    "content",
    [
        bytes(7 << 20),
        b"\xff" * (1 << 20),
        b"," * (1 << 20) + b"\n1",
        b"a\n" + b'"' * 999_999,
        b"\n" * (1 << 20),
    ],
)
def test_csv_rubbish_is_refused_quickly(service: Service, content: bytes) -> None:
    started_s = time.process_time()
    answer = service.post(content=content)
    assert answer.status_code in {400, 406}, answer.text
    assert len(answer.content) < 20_000
    assert time.process_time() - started_s < 20


def test_uploads_beyond_the_limit_in_flight_are_503(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = service.app.state.ingress.gate
    monkeypatch.setattr(gate, "max_uploads", 1)
    with connected(service) as connection:
        connection.sendall(head("Content-Length: 100"))
        wait_until(lambda: gate.uploads, "the upload")
        answer = service.post()
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0


def test_bytes_beyond_the_limit_in_flight_are_503(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.app.state.ingress.gate, "max_bytes", 200)
    with connected(service) as connection:
        connection.sendall(head("Content-Length: 1000") + b"x" * 190)
        wait_until(lambda: service.app.state.ingress.gate.bytes_held, "the first bytes")
        assert service.post("/api/v1/weather?validate=only").status_code == 503


def test_an_upload_that_is_alone_may_be_larger_than_the_room_for_all(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.app.state.ingress.gate, "max_bytes", 10)
    assert service.post("/api/v1/weather?validate=only").status_code == 200


def test_health_answers_while_uploads_are_parsed(service: Service) -> None:
    large = b"time,name,temperature\n" + b"2026-10-01T00:00:00Z,east,1.5\n" * 200_000
    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(service.post, "/api/v1/weather?validate=only", large) for _ in range(4)]
        slowest = 0.0
        while not all(post.done() for post in posts):
            started = time.monotonic()
            assert service.client.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
    assert {post.result().status_code for post in posts} == {200}
    assert slowest < 20


def test_credentials_given_twice_are_refused_or_the_first_counts(service: Service) -> None:
    other = base64.b64encode(b"root:toor").decode()
    lines = (f"Authorization: Basic {other}", "Content-Length: 0")
    assert status(service.raw(head(*lines))) in {400, 401, 406}


def test_the_limits_are_what_the_documentation_says() -> None:
    assert (limits.MAX_UPLOADS, limits.CHUNK_TIMEOUT_S, bodies.MIN_BYTES_PER_S) == (64, 30.0, 1024)
