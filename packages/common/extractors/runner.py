"""Runs extractor functions in processes of their own, each call with a limit of time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog

from packages.common.errors import EmptyPayloadError, IngressError, PayloadError, UnsupportedTypeError
from packages.common.extractors.errors import (
    ExtractorError,
    ExtractorExitError,
    ExtractorMemoryError,
    ExtractorMissingError,
    ExtractorTimeoutError,
)
from packages.common.extractors.frames import Frame, decode
from packages.common.extractors.messages import Call, Look, Raised, Ready
from packages.common.extractors.process import ExtractorProcess

TIMEOUT_S = 60.0
MEMORY_BYTES = 2 * 2**30
GRACE_S = 5.0  # for a process to tell by itself that it takes too long
ENDING = frozenset(
    {ExtractorMemoryError.kind, ExtractorTimeoutError.kind}
)  # told by a process that is done for
PROCESSES = 4  # modules whose process is kept; the one that was used longest ago makes place for another

log = structlog.get_logger(__name__)


class Limits(NamedTuple):
    """What one call may take: time from the payload sent to the table returned, memory beyond the imports."""

    timeout_s: float = TIMEOUT_S
    memory_bytes: int = MEMORY_BYTES


class ExtractorRunner:
    """The processes for the extractors of one folder, one a module, started when they are first called.

    A process serves many calls; after a call that went wrong in any way but an exception, and when the runner
    is closed, it is ended with everything it started. Not to be shared between threads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._processes: dict[str, ExtractorProcess] = {}

    def run(
        self,
        module: str | None,
        function: str,
        payload: bytes,
        metadata: Mapping[str, Any],
        limits: Limits | None = None,
    ) -> Frame:
        """The table that a function makes of a payload; `metadata` is the item's, as plain JSON values.

        Raises:
            PayloadError: the function takes a parsed payload, and this one is not what its type says.
            ExtractorError: the function is missing, raised, exceeded a limit, ended its process, or returned
                no table; `ExtractorStartError` (retryable) where its process did not come up.
        """
        if not module:
            raise ExtractorMissingError(f"extract_fn {function} is set without fn_module")
        timeout_s, memory_bytes = limits or Limits()
        call = Call(module, function, payload, dict(metadata), memory_bytes)
        answer = self._process(module).call(call, timeout_s)
        if isinstance(answer, Raised):
            if answer.details:
                log.warning("extractor failed", extractor=call.name, traceback=answer.details)
            raise self._error(call, answer)
        if isinstance(answer, Ready):
            raise ExtractorExitError(f"{call.name} was not called")
        return decode(call.name, answer.form, answer.data)

    def look(self, module: str | None, function: str, limits: Limits | None = None) -> None:
        """Import a module as a call would, and find a function in it.

        Raises `ExtractorError` as `run` does; where the import takes too long, with the line it is at.
        """
        if not module:
            raise ExtractorMissingError(f"extract_fn {function} is set without fn_module")
        timeout_s, memory_bytes = limits or Limits()
        look = Look(module, function, memory_bytes, timeout_s)
        answer = self._process(module).call(look, timeout_s + GRACE_S)
        if isinstance(answer, Raised):
            raise self._error(look, answer)

    def _process(self, module: str) -> ExtractorProcess:
        found = self._processes.pop(module, None) or ExtractorProcess(self._folder)
        self._processes[module] = found  # the last is the one used last
        if len(self._processes) > PROCESSES:
            self._processes.pop(next(iter(self._processes))).close()
        return found

    def _error(self, call: Call | Look, answer: Raised) -> IngressError:
        if answer.kind in ENDING:
            self._processes.pop(call.module).close()
        return ERRORS.get(answer.kind, ExtractorError)(answer.message)

    def close(self) -> None:
        """End all processes."""
        with ExitStack() as all_of_them:
            while self._processes:
                all_of_them.callback(self._processes.popitem()[1].close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


RAISED: tuple[type[IngressError], ...] = (
    PayloadError,
    EmptyPayloadError,
    UnsupportedTypeError,
    *ExtractorError.__subclasses__(),
)
ERRORS = {one.kind: one for one in RAISED}


def run_extractor(
    folder: Path,
    module: str | None,
    function: str,
    payload: bytes,
    metadata: Mapping[str, Any],
    *,
    timeout_s: float = TIMEOUT_S,
    memory_bytes: int = MEMORY_BYTES,
) -> Frame:
    """The table that one function makes of one payload, in a process of its own (about half a second more).

    `folder` is that of the configuration. Raises what `ExtractorRunner.run` raises.
    """
    with ExtractorRunner(folder) as runner:
        return runner.run(module, function, payload, metadata, Limits(timeout_s, memory_bytes))
