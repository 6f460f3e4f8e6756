"""Storage that acts up at a chosen call, the same for the queue and for the stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from obstore.store import MemoryStore

from packages.common.errors import StorageUnavailableError
from packages.common.s3io import ObjectStorage

T = TypeVar("T")
FAULTS = ("before", "after", "lost", "refused")


class DiedError(BaseException):
    """The process ended here."""


class Switch:
    """Acts up at its n-th call from now, counted from 1.

    `before`: dies before the call; `after`: dies after it; `lost`: the call takes effect, its answer does not
    arrive; `refused`: the call fails without effect. What is dead stays dead until `heal`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.heal()

    def heal(self) -> None:
        """Work again; calls are counted anew."""
        self.plan(0, "")

    def plan(self, at: int, fault: str) -> None:
        """Act up at the call number `at`."""
        self.calls, self.at, self.fault, self.dead = 0, at, fault, False

    def act(self, call: Callable[[], T], trouble: Callable[[str], Exception]) -> T:
        """Let a call through, or not; `trouble` makes the error of a storage that answers badly."""
        if self.dead:
            raise DiedError
        with self._lock:
            self.calls += 1
            number = self.calls
        if number != self.at:
            return call()
        self.dead = self.fault in {"before", "after"}
        if self.fault == "before":
            raise DiedError
        if self.fault == "refused":
            raise trouble("503 Slow Down")
        call()
        if self.fault == "after":
            raise DiedError
        raise trouble("the connection was reset")


class Switched:
    """An obstore store behind a switch; its calls are those of zarr_fuse."""

    __module__ = "obstore.tests"  # zarr asks for the name of the package
    switch: Switch

    def _act(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.switch.act(lambda: method(*args, **kwargs), OSError)

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


class SwitchedMemory(Switched, MemoryStore):
    __module__ = "obstore.tests"


class SwitchedQueueStorage(ObjectStorage):
    """The storage of the queue behind a switch."""

    switch: Switch

    def _act(self, call: Callable[[], T]) -> T:
        return self.switch.act(call, StorageUnavailableError)

    def get(self, key):
        return self._act(lambda: super(SwitchedQueueStorage, self).get(key))

    def put(self, key, data):
        return self._act(lambda: super(SwitchedQueueStorage, self).put(key, data))

    def create(self, key, data):
        return self._act(lambda: super(SwitchedQueueStorage, self).create(key, data))

    def head(self, key):
        return self._act(lambda: super(SwitchedQueueStorage, self).head(key))

    def copy(self, source, target, size_bytes=None):
        return self._act(lambda: super(SwitchedQueueStorage, self).copy(source, target, size_bytes))

    def delete(self, keys):
        """A bulk deletion may die between any two keys."""
        for key in keys:
            self._act(lambda key=key: super(SwitchedQueueStorage, self).delete([key]))

    def list(self, prefix, after=None):
        return self._act(lambda: iter([*super(SwitchedQueueStorage, self).list(prefix, after)]))
