"""Requests that lie about where they begin and end."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

import pytest

from services.ingress_service.web.wire import connections, reading
from tests.ingress.hostile import Case, check_refusal, chunked, connected, exchange, post, status, unharmed
from tests.ingress.live import CSV, Service, receive
from tests.rigs.waiting import PATIENCE_S

CHUNKED = "Transfer-Encoding: chunked"
TRAILERS = b"0\r\n" + b"x: y\r\n" * 100_000
TRIAL = "/api/v1/weather?validate=only"
SMUGGLED = b"POST /api/v1/weather HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
CASES = [
    Case("declared longer than sent", post("Content-Length: 9999", body=CSV, length=False), {400, 0}),
    Case("declared negative", post("Content-Length: -1", length=False), {400}),
    Case("declared as text", post("Content-Length: many", length=False), {400}),
    Case("declared with a sign", post("Content-Length: +5", body=b"aaaaa", length=False), {400}),
    Case("declared as 10^30", post(f"Content-Length: {10**30}", length=False), {400, 413}),
    Case("two lengths", post("Content-Length: 5", "Content-Length: 6", body=b"aaaaaa", length=False), {400}),
    Case("length list", post("Content-Length: 5, 6", body=b"aaaaaa", length=False), {400}),
    Case("length and chunks", post(CHUNKED, body=chunked(CSV) + SMUGGLED), {400}),
    Case(
        "chunks under another name", post("Transfer-Encoding: xchunked", body=CSV, length=False), {400, 501}
    ),
    Case("chunks twice", post(CHUNKED, CHUNKED, body=chunked(CSV), length=False), {400, 501}),
    Case("gzip, chunked", post("Transfer-Encoding: gzip, chunked", body=CSV, length=False), {400, 501}),
    Case("chunks in 1.0", post(CHUNKED, body=chunked(CSV), version="HTTP/1.0", length=False), {400}),
    Case("chunk size is no number", post(CHUNKED, body=b"zz\r\n", length=False), {400, 0}),
    Case("chunk size of 2^80", post(CHUNKED, body=b"f" * 20 + b"\r\n", length=False), {400, 413, 0}),
    Case("chunk longer than said", post(CHUNKED, body=b"2\r\nabcd\r\n0\r\n\r\n", length=False), {400, 0}),
    Case("chunks without end", post(CHUNKED, body=chunked(CSV, end=b""), length=False), {400, 0}),
    Case("endless chunk extension", post(CHUNKED, body=b"1;" + b"x" * 200_000, length=False), {400, 0}),
    Case(
        "endless trailers", post(CHUNKED, path=TRIAL, body=chunked(CSV, end=TRAILERS), length=False), {400, 0}
    ),
    Case("chunks in quotes", post('Transfer-Encoding: "chunked"', length=False), {400, 501}),
    Case("10,000 headers", post(*(f"a{n}: b" for n in range(10_000)), body=CSV), {400, 431}),
    Case("300 headers", post(*(f"a{n}: b" for n in range(300)), body=CSV), {431}),
    Case("a header of 200 kB", post("X-Large: " + "x" * 200_000, body=CSV), {400, 431}),
    Case("a path of 200 kB", post(path="/" + "a" * 200_000, body=CSV), {400, 414, 431}),
    Case("blank in a header name", post("X Y: z", body=CSV), {400}),
    Case("blank before the colon", post("Content-Encoding : gzip", body=CSV), {400}),
    Case("NUL in a header", post(b"X-Y: a\0b", body=CSV), {400}),
    Case("CR in a header", post(b"X-Y: a\rb", body=CSV), {400}),
    Case("no host", b"POST /api/v1/weather HTTP/1.1\r\nContent-Length: 0\r\n\r\n", {400}),
    Case("two hosts", post("Host: y", body=CSV), {400}),
    Case("HTTP/3.0", post(version="HTTP/3.0", body=CSV), {505}),
    Case("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    Case("asterisk", post(path="*", body=CSV), {400, 404}),
    Case("fragment", post(path="/api/v1/weather#a", body=CSV), {400}),
    Case("address of another kind", post(path="ftp://x/api/v1/weather", body=CSV), {400}),
    Case("tunnel", b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    Case("line feeds only", post(body=CSV).replace(b"\r\n", b"\n"), {400}),
    Case("folded header", post("X-Y: a\r\n b", body=CSV), {400}),
    Case("escape in a header", post(b"X-Y: \x1b[31m", body=CSV), {400}),
    Case("authority", post(path="example.org:443", body=CSV), {400, 404}),
]


@pytest.fixture(autouse=True)
def _unharmed(service: Service) -> Iterator[None]:
    with unharmed(service):
        yield


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_lying_frames_are_refused(service: Service, case: Case) -> None:
    answer = exchange(service, case.request, ends=0 in case.statuses)
    if not answer:
        assert 0 in case.statuses
        return
    check_refusal(answer, case.statuses)
    assert b"connection: close" in answer.lower() or status(answer) in {404, 405}


def test_a_second_request_in_the_body_of_the_first_is_not_heard(service: Service) -> None:
    """What TE+CL smuggling is about: the connection ends with the refusal."""
    request = post(CHUNKED, body=chunked(CSV) + SMUGGLED)
    with connected(service) as connection:
        connection.sendall(request)
        data = b""
        while piece := connection.recv(65536):
            data += piece
    assert data.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize(
    "target", ["/api/v1/weather", "http://x/api/v1/weather", "HTTP://X:80/api/v1/weather"]
)
def test_other_forms_of_the_same_request_are_taken(service: Service, version: str, target: str) -> None:
    answer = exchange(service, post(path=f"{target}?validate=only", body=CSV, version=version))
    assert status(answer) == 200


def test_pipelined_requests_are_answered_in_their_order(service: Service) -> None:
    good = post(path="/api/v1/weather?validate=only", body=CSV)
    bad = post(path="/api/v1/weather?validate=only", body=b"")
    with connected(service) as connection:
        connection.sendall((good + bad) * 5)
        data = b""
        while data.count(b"HTTP/1.1 ") < 10 or not data.endswith(b"}"):
            data += connection.recv(65536)
    found = [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]
    assert found == [200, 406] * 5


def exchanged(service: Service, request: bytes) -> list[int]:
    """The statuses of all answers until the service closes the connection."""
    with connected(service) as connection:
        connection.sendall(request)
        data = b""
        while piece := connection.recv(65536):
            data += piece
    return [int(code) for code in re.findall(rb"HTTP/1.1 (\d{3}) ", data)]


GOOD = post(path=TRIAL, body=CSV)


@pytest.mark.parametrize(
    ("broken", "refused"),
    [
        (b"\x00\xff rubbish\r\n\r\n", 400),
        (post(CHUNKED, path=TRIAL, body=b"zz\r\n", length=False), 400),
        (b"GET / HTTP/7.0\r\n\r\n", 505),
        (post("X-Large: " + "x" * 100_000), 431),
    ],
)
def test_what_is_broken_is_refused_behind_the_answers_to_what_came_before(
    service: Service, broken: bytes, refused: int
) -> None:
    assert exchanged(service, GOOD * 3 + broken + GOOD) == [200] * 3 + [refused]


def test_more_requests_than_may_wait_are_refused_after_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_WAITING", 3)
    assert exchanged(service, GOOD * 6) == [200] * 4 + [503]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_another_protocol_is_declined_and_the_upload_taken(service: Service, framing: str) -> None:
    """What curl asks for with --http2."""
    wish = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    request = {
        "length": post(*wish, path=TRIAL, body=CSV),
        "chunks": post(*wish, CHUNKED, path=TRIAL, body=chunked(CSV[:9], CSV[9:]), length=False),
    }[framing]
    assert exchanged(service, GOOD + request + post("Connection: close", path=TRIAL, body=CSV)) == [200] * 3


def test_trailers_are_no_headers(service: Service) -> None:
    end = b"0\r\nContent-Encoding: gzip\r\nIdempotency-Key: a\r\n\r\n"
    request = post(CHUNKED, "Connection: close", path=TRIAL, body=chunked(CSV, end=end), length=False)
    assert exchanged(service, request) == [200]


def test_rubbish_behind_a_good_request_harms_only_itself(service: Service) -> None:
    with connected(service) as connection:
        connection.sendall(post(path="/api/v1/weather?validate=only", body=CSV) + b"\x00\xff rubbish\r\n\r\n")
        assert status(receive(connection)) == 200


def test_headers_that_trickle_are_cut_off(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 1.0)
    started = time.monotonic()
    with connected(service) as connection:
        connection.sendall(b"POST /api/v1/weather HTTP/1.1\r\n")
        for number in range(4):
            connection.sendall(f"X-{number}: y\r\n".encode())
            time.sleep(0.05)
        check_refusal(receive(connection), {408})
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("used", [False, True])
def test_a_connection_that_says_nothing_is_closed(
    service: Service, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 1.5)
    with connected(service) as connection:
        connection.settimeout(15)
        if used:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status(receive(connection)) == 200
        assert connection.recv(1) == b""


def test_hundreds_of_slow_connections_leave_room_for_others(service: Service) -> None:
    held = [connected(service) for _ in range(150)]
    try:
        for connection in held:
            connection.sendall(b"POST /api/v1/weather HTTP/1.1\r\nX-Slow: ")
        assert service.post("/api/v1/weather?validate=only").status_code == 200
    finally:
        for connection in held:
            connection.close()


def test_one_connection_too_many_is_told_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "max_connections", lambda: 0)
    with connected(service) as connection:
        answer = receive(connection)
    monkeypatch.undo()
    assert check_refusal(answer, {503})["code"] == "overloaded"
    assert b"retry-after: " in answer.lower()


def test_a_client_that_does_not_read_its_answer_is_cut_off(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READ_TIMEOUT_S", 0.3)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE_S)
        connection.connect(("127.0.0.1", service.port))
        try:
            for _ in range(400):
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
                time.sleep(0.01)
        except ConnectionError:
            return
    pytest.fail("the connection was kept")
