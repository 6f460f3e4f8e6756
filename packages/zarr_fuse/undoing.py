"""Taking back what was begun, where the rest of it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def undone_on_error(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` if the block is left by an exception of any kind, which goes on."""
    with ExitStack() as stack:
        stack.callback(undo)
        yield
        stack.pop_all()
