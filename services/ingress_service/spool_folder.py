"""The files of a spool.

    {name}.payload    the bytes
    {name}.json       the metadata; its appearance is the commit
    {name}.deleted    the metadata of an item that was deleted here, until the queue is known not to hold it
    {random}.part     a file that is being written; nobody was told of it

Names begin with the time of arrival, so that their order is the order of arrival. Files and folder are synced
before anybody is told, so that what is in the spool survives a power cut. One process uses a folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import structlog
from pydantic import ValidationError

from packages.common.errors import ConfigurationError
from packages.common.models.metadata_model import ItemMetadata

METADATA, PAYLOAD, PART, DELETED = ".json", ".payload", ".part", ".deleted"
LOCK = "lock"

log = structlog.get_logger("ingress.spool")


class SpooledItem(NamedTuple):
    """One item in the spool; of a deleted one the payload is gone."""

    metadata: ItemMetadata
    payload: Path
    size_bytes: int


class SpoolFolder:
    """Every call but those of `Path` itself raises OSError where the disk fails."""

    def __init__(self, path: Path) -> None:
        """Make the folder; raises ConfigurationError where that is not possible."""
        self._path = path.absolute()
        self._lock: BinaryIO | None = None
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"SPOOL_DIR: {path} cannot be made: {error.strerror}") from None

    def lock(self) -> None:
        """Take possession of the folder; raises ConfigurationError where another process has it."""
        self._lock = (self._path / LOCK).open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ConfigurationError("SPOOL_DIR is in use by another process; each needs its own") from None

    def unlock(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            self._lock.close()

    def waiting(self) -> Iterator[SpooledItem]:
        """What an earlier process has left to be forwarded, oldest first."""
        return self._read(METADATA)

    def deleted(self) -> Iterator[SpooledItem]:
        """What an earlier process has deleted, and not yet looked for in the queue."""
        return self._read(DELETED)

    def tidy(self) -> None:
        """Remove what a crash has left half written or half removed."""
        for path in (*self._path.glob(f"*{PAYLOAD}"), *self._path.glob(f"*{PART}")):
            if not path.with_suffix(METADATA).exists():
                path.unlink()

    def part(self) -> Path:
        """A file to be written."""
        return self._path / f"{secrets.token_hex(16)}{PART}"

    def new_payload(self) -> Path:
        """The name of the next payload."""
        return self._path / f"{time.time_ns():020d}_{secrets.token_hex(6)}{PAYLOAD}"

    def commit(self, payload: Path, metadata: bytes) -> None:
        """Add an item, whose payload is durable already; where this fails there is none."""
        entry, part = payload.with_suffix(METADATA), payload.with_suffix(PART)
        try:
            with part.open("wb") as file:
                file.write(metadata)
                file.flush()
                os.fsync(file.fileno())
            part.rename(entry)
            self._sync()
        except OSError:
            entry.unlink(missing_ok=True)
            raise

    def remove(self, payload: Path) -> None:
        """Remove an item; a crash leaves the whole item, or a payload for `tidy`."""
        payload.with_suffix(METADATA).unlink(missing_ok=True)
        self._sync()
        payload.unlink(missing_ok=True)

    def mark_deleted(self, payload: Path) -> None:
        """Let an item count as deleted from now on; where this fails it does not."""
        entry, deleted = payload.with_suffix(METADATA), payload.with_suffix(DELETED)
        try:
            entry.rename(deleted)
            self._sync()
        except OSError:
            with suppress(OSError):
                deleted.rename(entry)
            raise
        with suppress(OSError):
            payload.unlink(missing_ok=True)

    def forget_deleted(self, payload: Path) -> None:
        """Know nothing more of a deleted item."""
        payload.with_suffix(DELETED).unlink(missing_ok=True)

    def _read(self, suffix: str) -> Iterator[SpooledItem]:
        for path in sorted(self._path.glob(f"*{suffix}")):
            payload = path.with_suffix(PAYLOAD)
            try:
                metadata = ItemMetadata.model_validate_json(path.read_bytes())
                size_bytes = payload.stat().st_size if suffix == METADATA else 0
            except (ValidationError, OSError):
                log.exception("an entry of the spool cannot be read", entry=path.name)
            else:
                yield SpooledItem(metadata, payload, size_bytes)

    def _sync(self) -> None:
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
