"""Numbers and names in sentences."""

from __future__ import annotations

from collections.abc import Collection

NAMES_SHOWN = 10
NAME_LENGTH = 60


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 item`, `2 items`; `many` where that is more than an s (`items wait`)."""
    return f"{number} {one}" if number == 1 else f"{number} {many or f'{one}s'}"


def named(names: Collection[str]) -> str:
    """Names in quotes: `'time', 'level'`; of many the first ten, long ones cut."""
    shown = [repr(name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}…") for name in names]
    return ", ".join(shown[:NAMES_SHOWN]) + (", …" if len(shown) > NAMES_SHOWN else "")
