"""One process in which extractor functions run, seen from outside."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import structlog

from packages.common.extractors.errors import (
    ExtractorError,
    ExtractorExitError,
    ExtractorMemoryError,
    ExtractorStartError,
    ExtractorTimeoutError,
)
from packages.common.extractors.messages import (
    LENGTH,
    Call,
    Look,
    Raised,
    Ready,
    Returned,
    packed,
    unpacked,
)
from packages.common.processes import kill_tree

START_S = 60.0
END_S = 2.0
END_POLL_S = 0.02
PIECE_BYTES = 2**20
OUTPUT_BYTES = 2000  # of what an extractor printed last
OUTPUT_LINES = 10
OUT_OF_MEMORY = ("memory allocation of", "MemoryError", "bad_alloc", "Cannot allocate memory")

log = structlog.get_logger(__name__)


class _EndedError(Exception):
    """The process closed its end."""


class _LateError(Exception):
    """There was no answer in time."""


class ExtractorProcess:
    """Starts at its first call, and again after each call that it did not survive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._output = b""

    def call(self, call: Call | Look, timeout_s: float) -> Returned | Raised | Ready:
        """Have one payload converted, or raise an `ExtractorError`; then the process is ended."""
        try:
            process = self._started()
            self._drain(process)
            self._output = b""
            answer = self._exchanged(process, packed(call), timeout_s)
        except _LateError:
            self.close()
            raise self._error(ExtractorTimeoutError, _late(call, timeout_s)) from None
        except _EndedError:
            raise self._ended(call) from None
        except BaseException:
            self.close()
            raise
        if self._output and isinstance(call, Call):
            log.debug("extractor printed", extractor=call.name, output=self._last_lines())
        return answer  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the process, and whatever it has started."""
        self._end(patience_s=0)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._process = self._spawned()
        try:
            self._exchanged(self._process, b"", START_S)
        except (_LateError, _EndedError):
            self.close()
            raise self._error(ExtractorStartError, "the process of the extractor did not start") from None
        return self._process

    def _spawned(self) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        command = [sys.executable, "-P", "-m", "packages.common.extractors.worker", str(self._folder)]
        try:
            process = subprocess.Popen(  # noqa: S603 - the command is this module's own
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": paths, "RUST_BACKTRACE": "0"},
            )
        except OSError as error:
            raise ExtractorStartError(f"the process of the extractor did not start: {error}") from error
        for pipe in _pipes(process):
            os.set_blocking(pipe.fileno(), False)
        return process

    def _exchanged(self, process: subprocess.Popen[bytes], request: bytes, timeout_s: float) -> Any:  # noqa: ANN401
        """Send a request, and read one message."""
        ends, left, answer = time.monotonic() + timeout_s, memoryview(request), bytearray()
        calls, answers, output = _pipes(process)
        with selectors.DefaultSelector() as selector:
            for pipe in (answers, output):
                selector.register(pipe, selectors.EVENT_READ)
            if left:
                selector.register(calls, selectors.EVENT_WRITE)
            while (message := _whole(answer)) is None:
                for key, _ in selector.select(_remaining(ends)):
                    if key.fileobj is calls:
                        left = left[_written(calls, left) :]
                        if not left:
                            selector.unregister(calls)
                    elif key.fileobj is output:
                        self._take_output(selector, output)
                    else:
                        answer += _read(answers)
        return unpacked(message)

    def _take_output(self, selector: selectors.BaseSelector, output: IO[bytes]) -> None:
        piece = output.read(PIECE_BYTES)
        if piece == b"":
            selector.unregister(output)
        self._output = (self._output + (piece or b""))[-OUTPUT_BYTES:]

    def _ended(self, call: Call | Look) -> ExtractorError:
        code = self._end(patience_s=END_S)
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        if any(sign in self._last_lines() for sign in OUT_OF_MEMORY):
            limit = f"{call.memory_bytes / 2**20:.0f} MiB"
            message = f"{call.name} wanted more than {limit} of memory, and its process ended with {how}"
            return self._error(ExtractorMemoryError, message)
        return self._error(ExtractorExitError, f"{call.name} ended its process with {how}")

    def _end(self, patience_s: float) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        ends = time.monotonic() + patience_s
        while process.poll() is None and time.monotonic() < ends:
            self._drain(process)
            time.sleep(END_POLL_S)
        if process.poll() is None:
            kill_tree(process.pid)
        code = process.wait()
        self._drain(process)
        for pipe in _pipes(process):
            pipe.close()
        return code

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        output = _pipes(process)[2]
        while piece := output.read(PIECE_BYTES):
            self._output = (self._output + piece)[-OUTPUT_BYTES:]

    def _error(self, kind: type[ExtractorError], message: str) -> ExtractorError:
        printed = self._last_lines()
        return kind(f"{message}; it printed last: {printed}" if printed else message)

    def _last_lines(self) -> str:
        return "\n".join(self._output.decode(errors="replace").strip().splitlines()[-OUTPUT_LINES:])


def _late(call: Call | Look, timeout_s: float) -> str:
    if isinstance(call, Look):
        return f"{call.module} takes longer than {call.timeout_s:g} s to import"
    return f"{call.name} took longer than {timeout_s:g} s"


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise ExtractorStartError("the process of the extractor has no pipes")
    return process.stdin, process.stdout, process.stderr


def _remaining(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise _LateError
    return left


def _written(pipe: IO[bytes], data: memoryview) -> int:
    try:
        return os.write(pipe.fileno(), data[:PIECE_BYTES])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        raise _EndedError from None


def _read(pipe: IO[bytes]) -> bytes:
    piece = pipe.read(PIECE_BYTES)
    if piece == b"":
        raise _EndedError
    return piece or b""


def _whole(answer: bytearray) -> memoryview | None:
    """The message, once all of it has come."""
    if len(answer) < LENGTH.size:
        return None
    size_bytes: int = LENGTH.unpack_from(answer)[0]
    return memoryview(answer)[LENGTH.size :] if len(answer) == LENGTH.size + size_bytes else None
