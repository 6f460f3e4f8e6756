"""Connections that no client can hold without using them, and whose refusals look like all others."""

from __future__ import annotations

import asyncio
import json
import resource
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.ingress_service.web.problems import MEDIA_TYPE, build, headers_of

HEAD_TIMEOUT_S = 20.0
"""From the connection, or the answer before, to the last header of a request."""
READ_TIMEOUT_S = 60.0
"""How long a client may take nothing of an answer that waits for it."""
OTHER_FILES = 256
"""Descriptors kept for everything but connections."""
MOST_CONNECTIONS = 4096


def max_connections() -> int:
    """As many as the process may have descriptors for, with some left for its own files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    return MOST_CONNECTIONS if unlimited else max(16, min(soft - OTHER_FILES, MOST_CONNECTIONS))


class Connection(H11Protocol):
    """uvicorn's connection with limits in time and number, and problem documents instead of plain text."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; one too many is told so and closed."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > max_connections():
            self._refuse(503, "overloaded", "Too much is in flight", "Too many connections are open.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything about the connection."""
        self._stop_timers()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handle what has come; once a request has begun, its body has limits of its own."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head_timer()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it has come already."""
        self._await_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read: wait, but not for ever."""
        super().pause_writing()
        self._read_timer = self.loop.call_later(READ_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "request_malformed", "The request is not valid HTTP", msg)

    def _await_head(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.conn.trailing_data[0]:
            text = f"The headers were not complete after {HEAD_TIMEOUT_S:.0f} s."
            self._refuse(408, "head_timeout", "The headers came too slowly", text)
        else:
            self.transport.close()

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            document = build(status, code, title, detail, "/").model_dump()
            self.transport.write(self._answer(status, json.dumps(document).encode()))
        self.transport.close()

    def _answer(self, status: int, body: bytes) -> bytes:
        fixed = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in (fixed | headers_of(status)).items()]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        if self._read_timer is not None:
            self._read_timer.cancel()
