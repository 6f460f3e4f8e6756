"""A folder that keeps uploads while the object storage is away.

    {name}.payload    the bytes
    {name}.json       the metadata; its appearance is the commit
    {random}.part     a file that is being written; nobody was told of it

Names begin with the time of arrival, so that their order is the order of arrival. Files and folder are synced
before anybody is told, so that what is in the spool survives a power cut. One process uses a folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

import structlog
from pydantic import ValidationError

from packages.common.errors import ConfigurationError, StorageUnavailableError
from packages.common.models.metadata_model import ItemMetadata
from services.ingress_service.spool_writer import SpoolWriter, failure

METADATA, PAYLOAD, PART = ".json", ".payload", ".part"
LOCK = "lock"

log = structlog.get_logger("ingress.spool")


class SpooledItem(NamedTuple):
    """One item in the spool."""

    metadata: ItemMetadata
    payload: Path
    size_bytes: int


class Spool:
    """The items in one folder, oldest first; safe to share between threads."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the folder; raises ConfigurationError where that is not possible."""
        self._folder, self._max_bytes = folder.absolute(), max_bytes
        self._items: dict[str, SpooledItem] = {}
        self._reserved_bytes = 0
        self._guard = threading.RLock()
        self._lock: BinaryIO | None = None
        self.added = threading.Event()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"SPOOL_DIR: {folder} cannot be made: {error.strerror}") from None

    def open(self) -> None:
        """Take possession of the folder and find what an earlier process has left in it.

        Raises ConfigurationError where another process has it.
        """
        self._lock = (self._folder / LOCK).open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConfigurationError("SPOOL_DIR is in use by another process; each needs its own") from None
        for path in sorted(self._folder.glob(f"*{METADATA}")):
            self._find(path)
        for path in (*self._folder.glob(f"*{PAYLOAD}"), *self._folder.glob(f"*{PART}")):
            if not path.with_suffix(METADATA).exists():
                path.unlink()
        if self._items:
            log.info("items from before wait in the spool", items=len(self._items))
            self.added.set()

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            self._lock.close()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._items

    @property
    def size_bytes(self) -> int:
        """Bytes of all payloads, those included that are being written."""
        return self._reserved_bytes

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken until something has been forwarded."""
        return self._reserved_bytes >= self._max_bytes

    def find(self, item_id: str) -> SpooledItem | None:
        """The item with this id, if it is here."""
        return self._items.get(item_id)

    def oldest(self) -> SpooledItem | None:
        """The item that is to be forwarded next."""
        with self._guard:
            return next(iter(self._items.values()), None)

    def writer(self) -> SpoolWriter:
        """A payload to be written piece by piece, and then added or aborted."""
        return SpoolWriter(self._folder / f"{secrets.token_hex(16)}{PART}", self.reserve)

    def add(self, metadata: ItemMetadata, payload: bytes | SpoolWriter) -> None:
        """Keep an item; when this returns it survives a power cut. Raises StorageError."""
        writer = payload if isinstance(payload, SpoolWriter) else self.writer()
        try:
            if isinstance(payload, bytes):
                writer.write(payload)
            with self._guard:
                self._add(metadata, writer)
        except OSError as error:
            writer.abort()
            raise failure(error) from error
        self.added.set()

    def _add(self, metadata: ItemMetadata, writer: SpoolWriter) -> None:
        name = f"{time.time_ns():020d}_{secrets.token_hex(6)}"
        path = writer.settle(self._folder / f"{name}{PAYLOAD}")
        try:
            self._commit(path, metadata.to_json())
        except OSError:
            path.with_suffix(METADATA).unlink(missing_ok=True)
            raise
        writer.keep()
        self._items[metadata.item_id] = SpooledItem(metadata, path, writer.size_bytes)

    def _commit(self, payload: Path, metadata: bytes) -> None:
        part = payload.with_suffix(PART)
        with part.open("wb") as file:
            file.write(metadata)
            file.flush()
            os.fsync(file.fileno())
        part.rename(payload.with_suffix(METADATA))
        self._sync()

    def remove(self, item: SpooledItem) -> None:
        """Forget an item that is in the queue."""
        item.payload.with_suffix(METADATA).unlink(missing_ok=True)
        self._sync()
        item.payload.unlink(missing_ok=True)
        with self._guard:
            self._items.pop(item.metadata.item_id, None)
            self._reserved_bytes -= item.size_bytes

    def reserve(self, size_bytes: int) -> None:
        """Count bytes in, or out if negative; raises StorageUnavailableError where the spool is full."""
        with self._guard:
            if size_bytes > 0 and self._reserved_bytes + size_bytes > self._max_bytes:
                raise StorageUnavailableError("the spool is full")
            self._reserved_bytes += size_bytes

    def _find(self, path: Path) -> None:
        payload = path.with_suffix(PAYLOAD)
        try:
            metadata = ItemMetadata.model_validate_json(path.read_bytes())
            size_bytes = payload.stat().st_size
        except (ValidationError, OSError):
            log.exception("an entry of the spool cannot be read", entry=path.name)
            return
        self._items[metadata.item_id] = SpooledItem(metadata, payload, size_bytes)
        self._reserved_bytes += size_bytes

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
