"""Ports of loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


def free_port() -> int:
    """A port that nobody listens on, for a server that is started at once."""
    with refusing_port() as port:
        return port


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that takes no connection, and that nobody else gets before the block ends."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
