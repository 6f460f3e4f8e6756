"""What the child process that reads a binary file is asked, what it may use, and how it says no."""

from __future__ import annotations

import json
import resource
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1 << 20


class RefusedError(Exception):
    """The file will not be read; the text is for the client."""


@dataclass(frozen=True)
class Task:
    """One file to read.

    Attributes:
        format: `parquet`, `netcdf`, `hdf5` or `grib`.
        payload: the file.
        result: where the description goes, as JSON.
        output: where the values go; None to read all of them and keep none.
        max_bytes: of all values once decoded.
        max_variables: or columns.
        memory_bytes: beyond what the process takes at its start.
        cpu_s: processor time.
    """

    format: str
    payload: str
    result: str
    output: str | None
    max_bytes: int
    max_variables: int
    memory_bytes: int
    cpu_s: int

    def to_json(self) -> str:
        """The task as an argument of the child."""
        return json.dumps(asdict(self))


@dataclass
class Budget:
    """Counts the bytes that a file unpacks to."""

    max_bytes: int
    used: int = 0

    def take(self, size_bytes: int) -> None:
        """Count bytes in; raises RefusedError where it is too many."""
        self.used += size_bytes
        if self.used > self.max_bytes:
            raise RefusedError(f"the file unpacks to more than {self.max_bytes} bytes")


def confine(task: Task) -> None:
    """Bound what this process may use from now on."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, task.cpu_s)
    _limit(resource.RLIMIT_FSIZE, 2 * task.max_bytes + 16 * MIB)
    pages = Path("/proc/self/statm")
    if pages.exists():
        taken = int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, taken + task.memory_bytes)


def open_no_more_files() -> None:
    """From now on this process opens nothing, whatever a file tells the library that reads it."""
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))
