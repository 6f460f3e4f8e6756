"""What makes a folder as safe as object storage: a lock around the commit, and bytes that reach the disk."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from zarr_fuse.errors import AccessDeniedError, LeaseHeldError, StorageError

POLL_S = 0.002
LONGEST_POLL_S = 0.05


class LocalLock:
    """An advisory lock of the operating system on a file: it dies with its process and has no time to live.

    Args:
        path: the lock file; made when needed, never removed by the lock.
        wait_s: how long `acquire` waits, seconds.
    """

    def __init__(self, path: Path, wait_s: float) -> None:
        self._path = path
        self._wait_s = wait_s
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; holding it already is fine.

        Raises:
            LeaseHeldError: another writer held it for longer than `wait_s`.
        """
        deadline, pause_s = time.monotonic() + self._wait_s, POLL_S
        while self._descriptor is None and not self._try():
            if time.monotonic() > deadline:
                raise LeaseHeldError(f"another writer held {self._path} for {self._wait_s:g} s")
            time.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(LONGEST_POLL_S, 2 * pause_s)

    def release(self) -> None:
        """Let the next writer in; not holding the lock is fine."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self) -> bool:
        descriptor = self._open()
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._path.exists() and os.path.samestat(os.fstat(descriptor), self._path.stat()):
                self._descriptor = descriptor
                return True
        os.close(descriptor)
        return False

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError as error:
            raise AccessDeniedError(f"access to {self._path} is denied") from error
        except OSError as error:
            raise StorageError(f"the lock {self._path} cannot be opened: {error}") from error


class LocalFolder:
    """A repository in a folder: its lock, and when its bytes are on the disk.

    Args:
        path: the repository's folder.
        lock: excludes other writers of this package.
        pointers: names of the files, below `path`, whose exchange is the commit.
    """

    def __init__(self, path: Path, lock: LocalLock, pointers: Sequence[str]) -> None:
        self._path = path
        self._pointers = [path / pointer for pointer in pointers]
        self.lock = lock

    def settle(self) -> None:
        """Wait for everything that a commit is going to name."""
        sync_filesystem(self._path)

    def confirm(self) -> None:
        """Wait for the commit itself."""
        for pointer in self._pointers:
            if pointer.exists():
                sync_file(pointer)


def sync_filesystem(folder: Path) -> None:
    """Wait until everything written to the file system of a folder is on the disk."""
    sync = getattr(ctypes.CDLL(None), "syncfs", None)
    if sync is None:
        os.sync()
        return
    with _opened(folder) as descriptor:
        if sync(descriptor) != 0:
            raise StorageError(f"{folder} could not be written to the disk")


def sync_file(path: Path) -> None:
    """Wait until one file and its name are on the disk."""
    for target in (path, path.parent):
        with _opened(target) as descriptor:
            os.fsync(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
