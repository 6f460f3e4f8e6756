"""Connections that no client can hold without using them, and whose refusals look like all others."""

from __future__ import annotations

import asyncio
import resource

from services.ingress_service.web.wire.reading import OVERLOADED, Reader

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


class Connection(Reader):
    """A connection with limits in time and number."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; one too many is told so and closed."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > max_connections():
            self.refuse(503, *OVERLOADED, "Too many connections are open.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything about the connection."""
        self._stop_timers()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Start to handle a request; its body has limits of its own."""
        super().on_headers_complete()
        self._stop_head_timer()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it has come already."""
        has_come = bool(self.pipeline)
        super().on_response_complete()
        if not has_come and not self.transport.is_closing():
            self._await_head()

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

    def _await_head(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.in_head:
            text = f"The headers were not complete after {HEAD_TIMEOUT_S:.0f} s."
            self.refuse(408, "head_timeout", "The headers came too slowly", text)
        else:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        if self._read_timer is not None:
            self._read_timer.cancel()
