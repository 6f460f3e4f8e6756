"""Where log lines go: each to the stream at once, or gathered for a moment by a service in a hurry."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import TextIO

GATHERED_S = 0.05
MOST_GATHERED = 10_000


class LineLogger:
    """What structlog writes finished lines to; warnings and worse leave a gathering stream at once."""

    def __init__(self, stream: TextIO | GatheredLines, name: str = "root") -> None:
        self.name = name
        self._stream = stream

    def info(self, line: str) -> None:
        """Write a line."""
        self._stream.write(f"{line}\n")

    def warning(self, line: str) -> None:
        """Write a line that nobody should have to wait for."""
        self._stream.write(f"{line}\n")
        self._stream.flush()

    debug = info
    error = critical = warning


class GatheredLines:
    """A stream that is written some twenty times a second, whatever the number of lines.

    Every write to a file or pipe lets go of Python's lock, and threads that wait for it take it: a fifth of
    what an upload costs. Lines of the last moment are lost where the process is killed outright. A stream
    that takes nothing any more, such as a pipe that nobody reads, stops nobody.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = deque[str]()
        self._waiting = threading.Event()
        self._flushing = threading.RLock()
        self._thread = threading.Thread()

    def write(self, text: str) -> int:
        """Take a text, to be written soon."""
        self._lines.append(text)
        if not self._waiting.is_set():
            self._waiting.set()
        if not self._thread.is_alive():
            self._have_thread()
        if len(self._lines) > MOST_GATHERED:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what has been gathered."""
        with self._flushing, suppress(OSError, ValueError):
            gathered = [self._lines.popleft() for _ in range(len(self._lines))]
            self._stream.write("".join(gathered))
            self._stream.flush()

    def _have_thread(self) -> None:
        """Start the thread that writes, which a forked process does not have."""
        self._thread = threading.Thread(target=self._write_soon, name="log-lines", daemon=True)
        self._thread.start()

    def _write_soon(self) -> None:
        while self._waiting.wait():
            time.sleep(GATHERED_S)
            self._waiting.clear()
            self.flush()
