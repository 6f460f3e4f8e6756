"""Keeps uploads in a folder while the object storage is away."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog

from packages.common.errors import StorageUnavailableError
from packages.common.models.metadata_model import ItemMetadata
from services.ingress_service.spool_folder import SpooledItem, SpoolFolder
from services.ingress_service.spool_writer import SpoolWriter, failure

__all__ = ["Spool", "SpooledItem"]

log = structlog.get_logger("ingress.spool")


class Spool:
    """The items in one folder, oldest first; safe to share between threads."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the folder; raises ConfigurationError where that is not possible."""
        self._folder, self._max_bytes = SpoolFolder(folder), max_bytes
        self._items: dict[str, SpooledItem] = {}
        self._deleted: dict[str, SpooledItem] = {}
        self._reserved_bytes = 0
        self._guard = threading.RLock()
        self.added = threading.Event()

    def open(self) -> None:
        """Take possession of the folder and find what an earlier process has left in it.

        Raises ConfigurationError where another process has it.
        """
        self._folder.lock()
        self._items |= {item.metadata.item_id: item for item in self._folder.waiting()}
        self._deleted |= {item.metadata.item_id: item for item in self._folder.deleted()}
        self._reserved_bytes += sum(item.size_bytes for item in self._items.values())
        self._folder.tidy()
        if self._items:
            log.info("items from before wait in the spool", items=len(self._items))
        if not self.is_idle:
            self.added.set()

    def close(self) -> None:
        """Let another process have the folder."""
        self._folder.unlock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._items

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, and nothing that was deleted may still be in the queue."""
        return not self._items and not self._deleted

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

    def is_deleted(self, item_id: str) -> bool:
        """Whether the item was deleted here, and the queue is not known yet not to hold it."""
        return item_id in self._deleted

    def waiting(self) -> list[SpooledItem]:
        """All items, oldest first."""
        with self._guard:
            return list(self._items.values())

    def oldest(self) -> SpooledItem | None:
        """The item that is to be forwarded next."""
        with self._guard:
            return next(iter(self._items.values()), None)

    def oldest_deleted(self) -> SpooledItem | None:
        """The deleted item that is to be looked for in the queue next."""
        with self._guard:
            return next(iter(self._deleted.values()), None)

    def writer(self) -> SpoolWriter:
        """A payload to be written piece by piece, and then added or aborted."""
        return SpoolWriter(self._folder.part(), self.reserve)

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
        path = writer.settle(self._folder.new_payload())
        self._folder.commit(path, metadata.to_json())
        writer.keep()
        self._items[metadata.item_id] = SpooledItem(metadata, path, writer.size_bytes)

    def remove(self, item: SpooledItem) -> bool:
        """Forget an item that is in the queue; False if it has been deleted meanwhile."""
        with self._guard:
            if item.metadata.item_id not in self._items:
                return False
            self._folder.remove(item.payload)
            self._forget(item)
            return True

    def delete(self, item_id: str) -> bool:
        """Delete an item, durably; False if it is not here, or not any more. Raises StorageError.

        It may be on its way, or have been stored by a request that got no answer: so it is remembered as
        deleted until `cleared` says that the queue does not hold it.
        """
        with self._guard:
            item = self._items.get(item_id)
            if item is None:
                return False
            try:
                self._folder.mark_deleted(item.payload)
            except OSError as error:
                raise failure(error) from error
            self._forget(item)
            self._deleted[item_id] = item
        self.added.set()
        return True

    def cleared(self, item: SpooledItem) -> None:
        """Remember a deleted item no longer: the queue does not hold it."""
        self._folder.forget_deleted(item.payload)
        with self._guard:
            self._deleted.pop(item.metadata.item_id, None)

    def postpone(self, item: SpooledItem) -> None:
        """Look for a deleted item after the other deleted ones."""
        with self._guard:
            if (found := self._deleted.pop(item.metadata.item_id, None)) is not None:
                self._deleted[item.metadata.item_id] = found

    def reserve(self, size_bytes: int) -> None:
        """Count bytes in, or out if negative; raises StorageUnavailableError where the spool is full."""
        with self._guard:
            if size_bytes > 0 and self._reserved_bytes + size_bytes > self._max_bytes:
                raise StorageUnavailableError("the spool is full")
            self._reserved_bytes += size_bytes

    def _forget(self, item: SpooledItem) -> None:
        del self._items[item.metadata.item_id]
        self._reserved_bytes -= item.size_bytes
