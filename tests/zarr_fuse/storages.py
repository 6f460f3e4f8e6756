"""Storages for tests: in memory, counted, and made to fail or die at a chosen call."""

from __future__ import annotations

import threading
from typing import Any

from obstore.store import MemoryStore, S3Store

from zarr_fuse.layout import Layout
from zarr_fuse.objects import Objects


def in_memory() -> tuple[Objects, Layout]:
    """Access to an empty storage in memory, and the layout of a store in it."""
    return Objects(MemoryStore()), Layout("river.zarr")


COUNTING = threading.Lock()


class Died(BaseException):
    """The process ended here."""


class Failing:
    """A storage that acts up at its n-th call from now, counted from 1.

    `before`: dies before the call; `after`: dies after it; `lost`: the call takes effect, its answer does not
    arrive; `refused`: the call fails without effect. A dead storage stays dead until `heal`.
    """

    calls = 0
    at = 0
    fault = ""
    dead = False

    def heal(self) -> None:
        """Work again; calls are counted anew."""
        self.plan(0, "")

    def plan(self, at: int, fault: str) -> None:
        """Act up at the call number `at`."""
        self.calls, self.at, self.fault, self.dead = 0, at, fault, False

    def _act(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        if self.dead:
            raise Died
        with COUNTING:
            self.calls += 1
            call = self.calls
        if call != self.at:
            return method(*args, **kwargs)
        self.dead = self.fault in {"before", "after"}
        if self.fault == "before":
            raise Died
        if self.fault == "refused":
            raise OSError("503 Slow Down")
        method(*args, **kwargs)
        if self.fault == "after":
            raise Died
        raise OSError("the connection was reset")

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().get, *args, **kwargs)

    def get_range(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().get_range, *args, **kwargs)

    def head(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().head, *args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().put, *args, **kwargs)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().copy, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().delete, *args, **kwargs)

    def list(self, *args: Any, **kwargs: Any) -> Any:
        return self._act(super().list, *args, **kwargs)


class FailingStore(Failing, MemoryStore):
    """The same in memory."""

    __module__ = "obstore.tests"  # zarr asks for the name of the package


class FailingS3Store(Failing, S3Store):
    """The same in a bucket."""

    __module__ = "obstore.tests"
