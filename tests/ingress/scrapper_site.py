"""A small HTTP server on loopback that answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CSV = b"time,value\n2026-11-20T08:00:00Z,1.5\n"

Reply = tuple[int, dict[str, str], bytes]


class Site(ThreadingHTTPServer):
    """`replies` maps a path to what is answered: one reply, or a list of them, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: dict[str, Reply | list[Reply] | Callable[[BaseHTTPRequestHandler], None]] = {
            "/data.csv": (200, {"Content-Type": "text/csv"}, CSV)
        }
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        reply = self.server.replies.get(path, (404, {}, b""))
        if callable(reply):
            reply(self)
            return
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        self.send(*reply)

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def running_site() -> Iterator[Site]:
    """A site until the end of the block."""
    with Site() as site:
        threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield site
        site.shutdown()


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Sends a byte at a time for ever, so that no single read takes long."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/csv")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"1")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        return


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Sends as fast as it can, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/csv")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"1" * 65536)
    except OSError:
        return


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Ends the connection in the middle of a body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")


def dripping(head: bytes, drop: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Sends some bytes as they are, and then others again and again."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        try:
            while True:
                handler.wfile.write(drop)
                time.sleep(0.02)
        except OSError:
            return

    return reply
