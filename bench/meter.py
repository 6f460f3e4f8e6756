"""What one process measures of itself: seconds, seconds inside fsync, peak memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Measurement:
    """What a side did; a list holds one entry for each update.

    Attributes:
        cpu_s: processor time of all threads.
        fsync_s: the part of `seconds` spent in `os.fsync`, added up over threads.
        peak_bytes: growth of the peak memory since the store was opened, the frame itself included.
    """

    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    fsync_s: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    frame_bytes: int = 0
    peak_bytes: int = 0


class Meter:
    """Measures updates from the moment it is made."""

    def __init__(self) -> None:
        self.found = Measurement()
        self._baseline = _peak()
        self._synced = 0.0
        self._real: Callable[[Any], None] = os.fsync
        os.fsync = self._fsync  # type: ignore[assignment]

    def opened(self) -> None:
        """Count memory from here on: what follows is not needed to open a store."""
        self._baseline = _peak()

    @contextmanager
    def update(self) -> Iterator[None]:
        """Measure one update."""
        self._synced = 0.0
        started, cpu = time.perf_counter(), time.process_time()
        yield
        self.found.seconds.append(time.perf_counter() - started)
        self.found.cpu_s.append(time.process_time() - cpu)
        self.found.fsync_s.append(self._synced)

    def finish(self) -> Measurement:
        """Everything found."""
        os.fsync = self._real  # type: ignore[assignment]
        self.found.peak_bytes = _peak() - self._baseline
        return self.found

    def _fsync(self, descriptor: Any) -> None:  # noqa: ANN401 - what `os.fsync` takes
        started = time.perf_counter()
        self._real(descriptor)
        self._synced += time.perf_counter() - started


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
