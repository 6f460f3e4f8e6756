"""The routes of Airflow that are called from outside, and a webhook, on a free loopback port."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.rigs.waiting import PATIENCE_S

PASSWORD = "sesame"


@dataclass
class FakeAirflow:
    """What it was asked, and how it answers: tokens in force, the asset's id, a status for all."""

    url: str = ""
    asset_id: int | None = 7
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    events: list[int] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    broken_with: int | None = None
    garbage: bytes | None = None
    posted: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    gate: threading.Event = field(default_factory=threading.Event)
    gate_timed_out: bool = False
    told_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def answer(self, method: str, path: str, bearer: str, body: dict[str, Any]) -> tuple[int, object]:
        asked_at = time.monotonic()
        if not self.gate.wait(PATIENCE_S):
            self.gate_timed_out = True
        if self.broken_with is not None:
            return self.broken_with, {"detail": "broken"}
        if (method, path) == ("POST", "/base/hook"):
            self.messages.append(body)
            return 200, {}
        if (method, path) == ("POST", "/base/auth/token"):
            return self._login(body)
        if bearer.removeprefix("Bearer ") not in self.tokens:
            return 401, {"detail": "Token Expired"}
        if (method, path) == ("GET", "/base/api/v2/assets"):
            similar = {"id": 3, "name": "ingress_queue_of_another"}
            own = [{"id": self.asset_id, "name": "ingress_queue"}] if self.asset_id is not None else []
            return 200, {"assets": [similar, *own]}
        if (method, path) == ("POST", "/base/api/v2/assets/events"):
            self.told_at.append(asked_at)
            return self._event(body)
        if method == "PATCH":
            self.notes[unquote(path)] = body["note"]
            return 200, {}
        return 404, {"detail": f"no {method} {path}"}

    def _login(self, body: dict[str, Any]) -> tuple[int, object]:
        self.logins += 1
        if body != {"username": "ingress", "password": PASSWORD}:
            return 401, {"detail": "Invalid credentials"}
        token = f"token-{self.logins}"
        self.tokens.add(token)
        return 201, {"access_token": token}

    def _event(self, body: dict[str, Any]) -> tuple[int, object]:
        if body != {"asset_id": self.asset_id, "extra": {}}:
            return 404, {"detail": "Asset was not found"}
        self.events.append(body["asset_id"])
        self.posted.release()
        return 200, {"id": len(self.events)}


@contextmanager
def running_airflow() -> Iterator[FakeAirflow]:
    fake = FakeAirflow()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def do_PATCH(self) -> None:
            self._respond()

        def _respond(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            path = urlsplit(self.path).path
            status, document = fake.answer(self.command, path, self.headers.get("Authorization", ""), body)
            content = fake.garbage if fake.garbage is not None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_port}/base"
        yield fake
        fake.gate.set()
        server.shutdown()
        thread.join()
