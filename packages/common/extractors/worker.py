"""The process in which extractor functions run: `python -m packages.common.extractors.worker FOLDER`.

It is two processes. The runner calls the functions. The keeper only waits for it: it is the parent that an
extractor sees, it inherits what an extractor leaves running, and it ends all of that when the runner ends or
the sweep is gone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from packages.common.processes import kill_descendants

if TYPE_CHECKING:
    from packages.common.extractors.functions import Extractors
    from packages.common.extractors.messages import Call, Look, Message

SUBREAPER, PARENT_DEATH_SIGNAL = 36, 1  # of Linux's prctl


def main(folder: str) -> NoReturn:
    """Serve calls from standard input, answer to standard output, until the input ends."""
    calls, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(SUBREAPER, 1)
    runner = os.fork()
    if runner:
        os.close(answers)
        _keep(runner, calls)
    _prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    sys.stdout = sys.stderr
    code = 1
    try:
        _serve(Path(folder), calls, answers)
        code = 0
    except BaseException:  # noqa: BLE001 - an extractor may have done anything to this process
        traceback.print_exc()
    finally:
        os._exit(code)


def _keep(runner: int, calls: int) -> NoReturn:
    threading.Thread(target=_end_with_the_sweep, args=(calls,), daemon=True).start()
    _, status = os.waitpid(runner, 0)
    kill_descendants(os.getpid())
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _end_alike(-code)
    os._exit(code & 0xFF)


def _end_alike(number: int) -> None:
    """End with the signal that has ended the runner, so that whoever waits sees it."""
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_with_the_sweep(calls: int) -> None:
    """Kill everything once nobody can send calls any more; a runner that waits for one ends by itself."""
    hangup = select.poll()
    hangup.register(calls, 0)
    hangup.poll()
    kill_descendants(os.getpid())


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _serve(folder: Path, calls: int, answers: int) -> None:
    from packages.common.extractors.functions import Extractors
    from packages.common.extractors.messages import LENGTH, Look, Ready, unpacked

    extractors, base_bytes = Extractors(folder), _data_bytes()
    own = os.getpid()
    with os.fdopen(calls, "rb") as source, os.fdopen(answers, "wb") as sink:
        _send(sink, Ready())
        while head := source.read(LENGTH.size):
            call: Call | Look = unpacked(source.read(LENGTH.unpack(head)[0]))
            _limit(base_bytes + call.memory_bytes)
            answer = _looked(extractors, call, sink) if isinstance(call, Look) else _answer(extractors, call)
            if os.getpid() != own:
                os._exit(0)  # a fork that came back from the extractor
            _limit(resource.RLIM_INFINITY)
            _send(sink, answer)


def _answer(extractors: Extractors, call: Call) -> Message:
    from packages.common.extractors.calls import called
    from packages.common.extractors.frames import encode
    from packages.common.extractors.messages import Returned

    return _tried(call, lambda: Returned(*encode(call.name, called(extractors, call))))


def _looked(extractors: Extractors, look: Look, sink: BinaryIO) -> Message:
    """Import a module and find its function; where that takes too long, say where it is and end."""
    from packages.common.extractors.errors import ExtractorTimeoutError
    from packages.common.extractors.messages import Raised, Ready

    found, asked, ending = threading.Event(), threading.get_ident(), threading.Lock()

    def watch() -> None:
        found.wait(look.timeout_s)
        with ending:
            if not found.is_set():
                place = extractors.place_of(sys._current_frames()[asked])
                late = f"{look.module} takes longer than {look.timeout_s:g} s to import{place}"
                _send(sink, Raised(ExtractorTimeoutError.kind, late))
                os._exit(1)

    def find() -> Message:
        extractors.function(look.module, look.function)
        return Ready()

    threading.Thread(target=watch, daemon=True).start()
    answer = _tried(look, find)
    with ending:
        found.set()
    return answer


def _tried(call: Call | Look, act: Callable[[], Message]) -> Message:
    from packages.common.errors import IngressError
    from packages.common.extractors.errors import ExtractorMemoryError
    from packages.common.extractors.messages import Raised

    try:
        return act()
    except MemoryError:
        wanted = f"{call.name} wanted more than {call.memory_bytes / 2**20:.0f} MiB of memory"
        return Raised(ExtractorMemoryError.kind, wanted)
    except IngressError as error:
        details = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else None
        return Raised(error.kind, str(error), details)
    except BaseException as error:  # noqa: BLE001 - what an extractor raises may be anything
        kind, summary = "extractor_raised", f"{type(error).__name__}: {error}"
        return Raised(kind, f"{call.name} raised {summary}", traceback.format_exc())


def _send(sink: BinaryIO, message: Message) -> None:
    from packages.common.extractors.messages import packed

    sink.write(packed(message))
    sink.flush()


def _limit(size_bytes: int) -> None:
    """Let this process grow to a size, or as far as whoever started the service allows."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    unbounded = hard == resource.RLIM_INFINITY
    wanted = hard if size_bytes == resource.RLIM_INFINITY else size_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if unbounded else min(wanted, hard), hard))


def _data_bytes() -> int:
    """What the imports have taken of the memory that the limit counts."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 2**30
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData")), 2**30)


if __name__ == "__main__":
    main(sys.argv[1])
