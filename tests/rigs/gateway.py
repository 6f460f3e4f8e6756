"""A gateway in front of an S3 that answers some requests itself, as it is told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

NOT_FOUND = b"<html><body>default backend - 404</body></html>"


class Gateway(ThreadingHTTPServer):
    """Passes requests on; where `forgets(method, path)` holds it answers itself, 404 as gateways do."""

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(endpoint).netloc
        self.forgets: Callable[[str, str], bool] = lambda _method, _path: False
        self.says = (404, NOT_FOUND)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.forgets(self.command, self.path):
            status, text = self.server.says
            self._answer(status, {"Content-Type": "text/html"}, text)
            return
        there = http.client.HTTPConnection(self.server.target)
        there.request(self.command, self.path, body, dict(self.headers))
        answer = there.getresponse()
        self._answer(answer.status, dict(answer.getheaders()), answer.read())
        there.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 - names of http.server

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        kept = {name: value for name, value in headers.items() if name.lower() != "transfer-encoding"}
        for name, value in ({"Content-Length": str(len(body))} | kept).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def gateway_to(endpoint: str) -> Iterator[Gateway]:
    """A gateway until the end of the block."""
    with Gateway(endpoint) as gateway:
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield gateway
        gateway.shutdown()
