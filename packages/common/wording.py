"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 item`, `2 items`; `many` where that is more than an s (`items wait`)."""
    return f"{number} {one}" if number == 1 else f"{number} {many or f'{one}s'}"
