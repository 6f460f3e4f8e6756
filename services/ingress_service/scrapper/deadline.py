"""Connections that end at one moment, however often the other side sends a little before it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable

import httpcore


class Deadline:
    """A moment, `timeout_s` from now, behind which nothing is waited for."""

    def __init__(self, timeout_s: float) -> None:
        self._over_at = time.monotonic() + timeout_s

    def left(self, timeout_s: float | None = None) -> float:
        """How long the next wait may take, in seconds; `httpcore.ReadTimeout` where no time is left."""
        left_s = self._over_at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout
        return left_s if timeout_s is None else min(left_s, timeout_s)


class TimedBackend(httpcore.SyncBackend):
    """Makes connections that heed a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, as long as there is time."""
        left_s = self._deadline.left(timeout)
        stream = super().connect_tcp(host, port, left_s, local_address, socket_options)
        return TimedStream(stream, self._deadline)


class TimedStream(httpcore.NetworkStream):
    """A connection whose reads and writes together take no longer than a deadline allows."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come."""
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted from now on."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        """What is known of the connection."""
        return self._stream.get_extra_info(info)
