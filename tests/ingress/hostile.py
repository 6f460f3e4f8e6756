"""Raw requests of rude clients, and what must be true after each."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.ingress.live import Service, receive
from tests.rigs.waiting import PATIENCE_S, wait_until

AUTH = base64.b64encode(b"alice:wonder").decode()


class Case(NamedTuple):
    """A raw request, and the statuses that are right for it."""

    name: str
    request: bytes
    statuses: set[int]


def post(
    *lines: str | bytes,
    body: bytes = b"",
    path: str | bytes = "/api/v1/weather",
    version: str = "HTTP/1.1",
    content_type: str | None = "text/csv",
    length: bool = True,
) -> bytes:
    """A POST with credentials; `length` adds the right Content-Length."""
    target = path.encode("latin-1") if isinstance(path, str) else path
    head = [b"POST " + target + b" " + version.encode(), b"Host: x", b"Authorization: Basic " + AUTH.encode()]
    head += [f"Content-Type: {content_type}".encode()] if content_type else []
    head += [f"Content-Length: {len(body)}".encode()] if length else []
    head += [line.encode("latin-1") if isinstance(line, str) else line for line in lines]
    return b"\r\n".join([*head, b"", b""]) + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def multipart(*parts: tuple[str, bytes], boundary: bytes = b"b0undary") -> bytes:
    """A form of (headers, content) parts."""
    pieces = [
        b"--" + boundary + b"\r\n" + head.encode("latin-1") + b"\r\n\r\n" + body for head, body in parts
    ]
    return b"\r\n".join([*pieces, b"--" + boundary + b"--\r\n"])


def head(*lines: str, auth: str = AUTH, path: str = "/api/v1/weather") -> bytes:
    """The lines of a POST of CSV up to its body."""
    fixed = (f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Basic {auth}", "Content-Type: text/csv")
    return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")


def connected(service: Service) -> socket.socket:
    """A connection to a service, for which no machine is too slow."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)


def status(answer: bytes) -> int:
    """The status of a raw response."""
    return int(answer.split(b" ", 2)[1])


@contextmanager
def ending() -> Iterator[None]:
    """The server may end the connection inside the block, but not keep silent."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError:
        return


def exchange(service: Service, request: bytes, *, ends: bool = False) -> bytes:
    """Send a request and read one response, empty where there is none; `ends` hangs up after the request."""
    with connected(service) as connection:
        with ending():
            connection.sendall(request)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with ending():
            return receive(connection)
    return b""


def check_refusal(answer: bytes, statuses: set[int]) -> dict[str, Any]:
    """Assert that a raw response has one of these statuses and is a problem document; returns it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status(answer) in statuses, answer[:500]
    if status(answer) < 400:
        return {}
    assert b"content-type: application/problem+json" in head.lower(), head
    problem = json.loads(body)
    assert problem["status"] == status(answer)
    assert {"type", "title", "status", "detail", "instance", "error", "code", "errors"} <= problem.keys()
    assert "Traceback" not in problem["detail"]
    assert len(body) < 20_000
    return dict(problem)


@contextmanager
def unharmed(service: Service) -> Iterator[None]:
    """Whatever happens inside: the service is well after it, and the queue is as it was."""
    before = service.stored_keys()
    yield
    assert service.client.get("/health").status_code == 200
    gate = service.app.state.ingress.gate
    wait_until(lambda: (gate.uploads, gate.bytes_held) == (0, 0), "the end of all uploads")
    assert service.stored_keys() == before
