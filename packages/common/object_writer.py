"""Objects that are written piece by piece and appear, whole, when they are committed."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import obstore
import structlog

from packages.common.errors import StorageError
from packages.common.objects import translated

if TYPE_CHECKING:
    from zarr_fuse.storage.opening import Store

log = structlog.get_logger("storage")


class ObjectWriter(Protocol):
    """One object on its way; used by one thread at a time. Nobody sees it before `commit` returns."""

    held_bytes: int
    """Memory it takes at most."""

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises StorageError."""

    def commit(self) -> None:
        """Make the object durable and visible; raises StorageError."""

    def abort(self) -> None:
        """Leave nothing behind; harmless after `commit`, never raises StorageError."""


class AbandonedError(Exception):
    """Tells obstore that an upload is given up."""


class RemoteWriter:
    """An S3 multipart upload (a single PUT up to `part_bytes`); holds about two parts in memory.

    The completion of the upload is the commit. What `abort` cannot reach, because the storage is away or
    the process dies, lists as an unfinished upload and is removed by housekeeping.
    """

    def __init__(self, store: Store, key: str, part_bytes: int) -> None:
        self._key = key
        self.held_bytes = 2 * part_bytes
        with translated("write", key):
            self._upload = obstore.open_writer(store, key, buffer_size=part_bytes, max_concurrency=1)
            self._upload.__enter__()
        self._open = True

    def write(self, data: bytes) -> None:
        """Take the next bytes; a full part is sent."""
        with translated("write", self._key):
            self._upload.write(data)

    def commit(self) -> None:
        """Send the last part and complete the upload."""
        with translated("complete", self._key):
            self._upload.__exit__(None, None, None)
        self._open = False

    def abort(self) -> None:
        """Ask the storage to forget the parts."""
        if not self._open:
            return
        self._open = False
        try:
            with translated("abort", self._key), suppress(AbandonedError):
                self._give_up(AbandonedError())
        except StorageError as error:
            log.warning("an upload could not be aborted", key=self._key, reason=str(error))

    def _give_up(self, reason: BaseException, traceback: TracebackType | None = None) -> None:
        self._upload.__exit__(type(reason), reason, traceback)
