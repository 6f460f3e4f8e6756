"""Running the cases of the merge: builds histories, measures every side in a process of its own.

This process imports nothing heavy: a child's peak memory begins with that of its parent.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.cases import Case, Side
from bench.results import Result, result

ROOT = Path(__file__).parents[1]
Say = Callable[[str], None]


class FailedError(Exception):
    """A measuring process failed; the message holds what it said."""


def run(case: Case, folder: Path, say: Say, *, quick: bool) -> Result:
    """Measure one case below `folder`, all sides in turn, round after round."""
    history = folder / "history"
    history.mkdir(parents=True)
    say(f"{case.name}: building the history")
    started = time.perf_counter()
    _child("build", case, history, quick=quick)
    build_s = time.perf_counter() - started
    found: dict[Side, list[dict[str, Any]]] = {side: [] for side in case.sides}
    for number, side in _turns(case):
        say(f"{case.name}: {side}, round {number + 1} of {case.rounds}")
        store = folder / "store"
        shutil.copytree(history, store, copy_function=_link)
        found[side].append(json.loads(_child(side, case, store, quick=quick)))
        shutil.rmtree(store)
    disk_bytes = sum(path.stat().st_size for path in history.rglob("*") if path.is_file())
    shutil.rmtree(folder)
    return result(case, found, build_s, disk_bytes)


def _turns(case: Case) -> Iterator[tuple[int, Side]]:
    for number in range(case.rounds):
        for side in case.sides:
            yield number, side


def _link(source: str, target: str) -> None:
    """A hard link stands for a copy: no writer here changes an object in place."""
    Path(target).hardlink_to(source)


def _child(act: str, case: Case, folder: Path, *, quick: bool) -> str:
    command = [sys.executable, "-m", "bench.child", act, case.name, str(folder), "quick" if quick else "full"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise FailedError(f"{act} of {case.name} failed:\n{done.stderr}")
    return done.stdout
