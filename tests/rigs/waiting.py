"""Waits that end with the event waited for, not with a time."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""How long a slow machine may take for anything that these tests wait for."""


def wait_until(
    holds: Callable[[], object], what: str = "it", patience_s: float = PATIENCE_S, pause_s: float = 0.01
) -> None:
    """Return as soon as something holds.

    Raises:
        AssertionError: it did not hold in time.
    """
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        time.sleep(pause_s)
