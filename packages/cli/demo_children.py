"""The processes a demo starts: watched while it runs, and stopped with everything they started in turn."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

STOP_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.2
TAIL_LINES = 15


class DemoError(Exception):
    """The demo cannot go on; the message is for whoever started it."""


@dataclass(frozen=True)
class Child:
    """A started process, the leader of its own session, and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def tail(self) -> str:
        """Last lines of its output."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


@dataclass
class Children:
    """Starts processes and, as a context manager, stops them all on the way out."""

    log_folder: Path
    environment: Mapping[str, str]
    working_folder: Path
    _running: list[Child] = field(default_factory=list)

    def __enter__(self) -> Children:
        self.log_folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process in a session of its own; its output goes to `<name>.log`."""
        log_path = self.log_folder / f"{name}.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                command,
                env=dict(self.environment),
                cwd=self.working_folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log_path)
        self._running.append(child)
        return child

    def finish(self, child: Child, timeout_s: float) -> None:
        """Wait for a process that ends by itself; DemoError when it fails or takes longer."""
        self.wait_until(lambda: child.process.poll() is not None, f"{child.name} to finish", timeout_s, child)
        if child.process.returncode != 0:
            raise _died(child)
        self._running.remove(child)

    def wait_until(
        self, condition: Callable[[], bool], waited_for: str, timeout_s: float, ending: Child | None = None
    ) -> None:
        """Poll a condition; DemoError when a process other than `ending` dies or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.require_alive(ending)
            if time.monotonic() > deadline:
                raise DemoError(f"waited {timeout_s:.0f} s for {waited_for} in vain; logs: {self.log_folder}")
            time.sleep(POLL_INTERVAL_S)

    def wait_for_interrupt(self) -> None:
        """Return never: end by KeyboardInterrupt, or by DemoError when a process dies."""
        while True:
            self.require_alive()
            time.sleep(POLL_INTERVAL_S)

    def require_alive(self, ending: Child | None = None) -> None:
        """DemoError with the end of its log when a process is gone."""
        for child in self._running:
            if child is not ending and child.process.poll() is not None:
                raise _died(child)

    def stop(self) -> None:
        """Ask every process to end, wait a while, then end by force whatever is left in their sessions."""
        with _undisturbed():
            self._stop()

    def _stop(self) -> None:
        sessions = {child.process.pid for child in self._running}
        for child in self._running:
            with suppress(ProcessLookupError):
                child.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in self._running:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
        for pid in _members(sessions):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for child in self._running:
            child.process.wait()
        self._running.clear()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold interruptions off: a second Ctrl-C must not leave half of the processes behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _died(child: Child) -> DemoError:
    ended = f"{child.name} ended with code {child.process.returncode}"
    return DemoError(f"{ended}; the end of {child.log_path}:\n{child.tail()}")


def _members(sessions: set[int]) -> Iterator[int]:
    """Processes of these sessions: all of them where /proc lists them, else the leaders."""
    listed = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    for pid in listed or sorted(sessions):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) in sessions:
                yield pid
