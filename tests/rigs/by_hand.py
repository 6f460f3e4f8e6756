"""Rigs as programs of their own, for whoever wants to look at one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from tests.rigs.debian import RigUnavailableError

Rig = TypeVar("Rig")


def run_by_hand(running: Callable[[], AbstractContextManager[Rig]], told: Callable[[Rig], str]) -> int:
    """Run a rig until Ctrl-C or SIGTERM and print what is told of it; returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running() as rig:
            with suppress(KeyboardInterrupt):
                sys.stdout.write(f"{told(rig)}\n")
                sys.stdout.flush()
                signal.pause()
            for number in (signal.SIGINT, signal.SIGTERM):  # nothing may cut the end short
                signal.signal(number, signal.SIG_IGN)
    except RigUnavailableError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


def exports(environment: dict[str, str], *names: str) -> str:
    """A line for a shell to evaluate."""
    return "export " + " ".join(f"{name}={environment[name]}" for name in names)
