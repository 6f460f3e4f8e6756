"""Ending a process together with everything it started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROUNDS = 50  # a process that forks faster than it is killed is left after so many


def kill_tree(root: int) -> None:
    """Kill a process and all its descendants, also those that they start meanwhile (found in `/proc`)."""
    kill_descendants(root)
    kill(root)


def kill_descendants(root: int) -> None:
    """Kill everything below a process."""
    for _ in range(ROUNDS):
        found = list(descendants(root))
        if not found:
            return
        for process in found:
            kill(process)


def kill(process: int) -> None:
    """Send SIGKILL; a process that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def descendants(root: int) -> Iterator[int]:
    """The living processes below one."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for process, parent in _living():
        children[parent].append(process)
    pending = list(children[root])
    while pending:
        process = pending.pop()
        yield process
        pending += children[process]


def _living() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in {"Z", "X"}:
                yield int(folder.name), int(parent)
