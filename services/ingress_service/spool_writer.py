"""A payload on its way into the spool."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from packages.common.errors import StorageError, StorageUnavailableError


class SpoolWriter:
    """A payload that grows in a file of the spool; the spool's `add` is its commit."""

    held_bytes = 0

    def __init__(self, path: Path, reserve: Callable[[int], None]) -> None:
        self.path = path
        self.size_bytes = 0
        self._reserve = reserve
        self._kept = False
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise failure(error) from error

    def write(self, data: bytes) -> None:
        """Append the next bytes; raises StorageError where the spool is full or its disk fails."""
        self._reserve(len(data))
        self.size_bytes += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise failure(error) from error

    def commit(self) -> None:
        """Bring all bytes to the file, so that others can read it."""
        try:
            self._file.flush()
        except OSError as error:
            raise failure(error) from error

    def settle(self, path: Path) -> Path:
        """Make the bytes durable under their final name; raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.path = self.path.rename(path)
        return self.path

    def keep(self) -> None:
        """From now on the file belongs to the spool."""
        self._kept = True

    def abort(self) -> None:
        """Remove the file, unless the spool keeps it."""
        if self._kept:
            return
        self._kept = True
        self._reserve(-self.size_bytes)
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def failure(error: OSError) -> StorageError:
    """What is raised for trouble with the spool's disk."""
    if isinstance(error, StorageError):
        return error
    return StorageUnavailableError(f"the spool cannot be written: {error.strerror}")
