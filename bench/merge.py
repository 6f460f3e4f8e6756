"""Running the cases of the merge: builds histories, measures every side in a process of its own.

These processes are forked from one that has imported everything, which saves most of the time of a small
case. This process imports nothing heavy.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench import forked
from bench.cases import Case, Side
from bench.results import Result, result

Say = Callable[[str], None]


class FailedError(Exception):
    """A measuring process failed; the message holds what it said."""


class Runner:
    """Measures cases below `folder`; a history that several of them need is built once."""

    def __init__(self, folder: Path, say: Say, *, quick: bool) -> None:
        self._folder = folder
        self._say = say
        self._quick = quick
        self._built: dict[str, float] = {}
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["bench.child"])

    def run(self, case: Case) -> Result:
        """Measure one case, all sides in turn, round after round."""
        history = self._history(case)
        place = self._folder / case.name
        place.mkdir()
        self._act("frame", case, place)
        found: dict[Side, list[dict[str, Any]]] = {side: [] for side in case.sides}
        for number, side in case.turns:
            self._say(f"{case.name}: {side}, round {number + 1} of {case.rounds}")
            found[side].append(self._measured(side, case, history, place))
        disk_bytes = sum(path.stat().st_size for path in history.rglob("*") if path.is_file())
        shutil.rmtree(place)
        return result(case, found, self._built[case.history], disk_bytes)

    def _history(self, case: Case) -> Path:
        folder = self._folder / case.history
        if case.history not in self._built:
            self._say(f"{case.name}: building the history")
            folder.mkdir()
            started = time.perf_counter()
            self._act("build", case, folder)
            self._built[case.history] = time.perf_counter() - started
        return folder

    def _measured(self, side: Side, case: Case, history: Path, place: Path) -> dict[str, Any]:
        store = place / "store"
        shutil.copytree(history, store, copy_function=_link)
        for frame in place.glob("*.arrow"):
            _link(str(frame), str(store / frame.name))
        found: dict[str, Any] = self._act(side, case, store)
        shutil.rmtree(store)
        return found

    def _act(self, act: str, case: Case, folder: Path) -> Any:  # noqa: ANN401 - a measurement or None
        with ProcessPoolExecutor(1, mp_context=self._processes) as process:
            try:
                return process.submit(forked.act, act, case.name, str(folder), quick=self._quick).result()
            except Exception as error:
                raise FailedError(f"{act} of {case.name} failed: {error}\n{error.__cause__ or ''}") from error


def _link(source: str, target: str) -> None:
    """A hard link stands for a copy: no writer here changes an object in place."""
    Path(target).hardlink_to(source)
