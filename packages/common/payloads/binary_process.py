"""Runs the child that reads one binary file, and understands how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from packages.common.errors import PayloadError
from packages.common.payloads.binary_limits import Task

ROOT = Path(__file__).parents[3]
RESULT_BYTES = 16 << 20
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
    "HDF5_USE_FILE_LOCKING": "FALSE",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def run(task: Task, time_s: float) -> dict[str, Any]:
    """What the child answers; raises PayloadError where it crashes, or takes too long."""
    command = [sys.executable, "-s", "-P", "-m", f"{__package__}.binary_child", task.to_json()]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with a module of this package
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=time_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PayloadError(f"reading the file takes longer than {time_s} s") from None
    if done.returncode:
        raise PayloadError(f"the file cannot be read: {_ending(done.returncode)}")
    return _answer(Path(task.result))


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | QUIET | {"PYTHONPATH": str(ROOT)}


def _answer(result: Path) -> dict[str, Any]:
    if result.stat().st_size > RESULT_BYTES:
        raise PayloadError("the file cannot be read: its description is too long")
    answer = json.loads(result.read_text(encoding="utf-8"))
    if not isinstance(answer, dict):
        raise PayloadError("the file cannot be read")
    return answer


def _ending(code: int) -> str:
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        return "it takes too much time or memory"
    return "the library that reads it fails on it"
