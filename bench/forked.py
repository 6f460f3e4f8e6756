"""What a measuring process is asked to do, for the process that asks and imports nothing heavy itself."""

from __future__ import annotations

from typing import Any


def act(act: str, name: str, folder: str, *, quick: bool) -> dict[str, Any] | None:
    """Run `bench.child` in this process, which was forked from one that has imported it."""
    from bench import child

    return child.main(act, name, folder, quick=quick)
