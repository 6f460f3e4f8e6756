"""Commands of rigs, whose failures say what they printed."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMAND_S = 900
SHOWN_CHARACTERS = 4000


def run_command(
    command: Sequence[str | Path], environment: Mapping[str, str], *, stdin: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; with `check` a failure is a RuntimeError with the end of its output."""
    words = list(map(str, command))
    done = subprocess.run(
        words, env=environment, input=stdin, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if check and done.returncode:
        output = f"{done.stdout}{done.stderr}"[-SHOWN_CHARACTERS:]
        raise RuntimeError(f"{shlex.join(words)} ended with {done.returncode}: {output}")
    return done
