"""A storage that dies at a chosen call: before the call, or after it with the answer lost.

A bulk deletion counts as one call a key, as on a local folder.
"""

from __future__ import annotations

import uuid

from packages.common.errors import StorageUnavailableError
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings


class CrashError(StorageUnavailableError):
    """The process is gone: nothing after this call happens."""


class FaultyStorage(ObjectStorage):
    """Counts the calls; `fail_at` (from 0) is the call that fails, and `dead` every later one."""

    def __init__(self, url: str, settings: Settings) -> None:
        super().__init__(url, settings)
        self.reset()

    def reset(self, fail_at: int | None = None, *, after: bool = False, dead: bool = True) -> None:
        self.calls, self.fail_at, self.after, self.dead = 0, fail_at, after, dead

    def _guard(self, act):
        number = self.calls
        self.calls += 1
        if self.fail_at is not None and (number == self.fail_at or (self.dead and number > self.fail_at)):
            if self.after and number == self.fail_at:
                act()
            raise CrashError(f"call {number}")
        return act()

    def get(self, key):
        return self._guard(lambda: super(FaultyStorage, self).get(key))

    def put(self, key, data):
        return self._guard(lambda: super(FaultyStorage, self).put(key, data))

    def create(self, key, data):
        return self._guard(lambda: super(FaultyStorage, self).create(key, data))

    def head(self, key):
        return self._guard(lambda: super(FaultyStorage, self).head(key))

    def copy(self, source, target, size_bytes=None):
        return self._guard(lambda: super(FaultyStorage, self).copy(source, target, size_bytes))

    def delete(self, keys):
        for key in keys:
            self._guard(lambda key=key: super(FaultyStorage, self).delete([key]))

    def list(self, prefix, after=None):
        return self._guard(lambda: iter([*super(FaultyStorage, self).list(prefix, after)]))


def memory_storage() -> FaultyStorage:
    url = f"memory://{uuid.uuid4().hex}"
    return FaultyStorage(url, Settings(s3_queue_url=url))
