"""Storages for tests: counted, and made to fail or die at a chosen call."""

from __future__ import annotations

from typing import Any

from obstore.store import MemoryStore

from zarr_fuse.layout import Layout
from zarr_fuse.objects import Objects


def in_memory() -> tuple[Objects, Layout]:
    return Objects(MemoryStore()), Layout("river.zarr")


class Died(BaseException):
    """The process ended here."""


class FailingStore:
    """An obstore store that acts up at its n-th call, counted from 1.

    `before`: dies before the call; `after`: dies after it; `lost`: the call takes effect, its answer does not
    arrive; `refused`: the call fails without effect.
    """

    def __init__(self, store: Any, call: int = 0, fault: str = "before") -> None:
        self.store = store
        self.call = call
        self.fault = fault
        self.calls = 0
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return lambda *args, **kwargs: self._act(method, args, kwargs)

    def _act(self, method: Any, args: Any, kwargs: Any) -> Any:
        if self.dead:
            raise Died
        self.calls += 1
        if self.calls != self.call:
            return method(*args, **kwargs)
        if self.fault == "before":
            self.dead = True
            raise Died
        if self.fault == "refused":
            raise OSError("503 Slow Down")
        method(*args, **kwargs)
        if self.fault == "after":
            self.dead = True
            raise Died
        raise OSError("the connection was reset")
