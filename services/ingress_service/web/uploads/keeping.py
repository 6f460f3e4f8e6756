"""Makes a checked payload durable: in the queue, or in the spool while the storage is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial

import anyio
import structlog

from packages.common.errors import StorageUnavailableError
from packages.common.models.metadata_model import ItemMetadata
from packages.common.object_writer import ObjectWriter
from packages.common.queue import Queue
from services.ingress_service.spool import Spool, SpooledItem
from services.ingress_service.spool_writer import SpoolWriter
from services.ingress_service.web.limits import MIN_STORAGE_BYTES_PER_S
from services.ingress_service.web.uploads.holding import Holder

log = structlog.get_logger("ingress.upload")


class Keeper:
    """Where accepted payloads go; with a spool nothing that has come is lost to an absent storage.

    With a spool a large payload is written to disk first, because what went to an S3 upload cannot be had
    back. While the spool is not empty everything goes there, so that the order of arrival is kept.
    """

    def __init__(self, queue: Queue, spool: Spool | None, request_s: float) -> None:
        """`request_s` is the longest time of one request to the storage."""
        self._queue, self._spool, self._request_s = queue, spool, request_s

    def writer(self, item_id: str, content_type: str) -> ObjectWriter:
        """Takes a payload that is too large for memory; for `keep`, or to be aborted."""
        if self._spool is not None:
            return self._spool.writer()
        return self._queue.payload_writer(item_id, content_type)

    async def keep(self, metadata: ItemMetadata, holder: Holder) -> None:
        """Store an item; when this returns it is durable. Raises StorageError within a bounded time."""
        if self._spool is None:
            await self._store(metadata, holder)
        elif not self._spool.is_empty:
            await self._to_spool(self._spool, metadata, holder)
        else:
            try:
                await self._store(metadata, holder)
            except StorageUnavailableError as error:
                log.warning("the storage is away, the item is spooled", reason=str(error))
                await self._to_spool(self._spool, metadata, holder)

    def spooled(self, item_id: str) -> SpooledItem | None:
        """The item with this id, if it waits in the spool."""
        return self._spool.find(item_id) if self._spool is not None else None

    async def holds(self, item_id: str) -> bool:
        """Whether an item has been kept, wherever it is by now; raises StorageError."""
        if self.spooled(item_id) is not None:
            return True
        return await anyio.to_thread.run_sync(self._queue.find, item_id) is not None

    async def _store(self, metadata: ItemMetadata, holder: Holder) -> None:
        writer = holder.writer
        if writer is None:
            await self._in_time(self._queue.accept_async(metadata, holder.payload), holder.size_bytes)
        elif isinstance(writer, SpoolWriter):
            writer.commit()
            await anyio.to_thread.run_sync(self._queue.accept, metadata, writer.path)
        else:
            await anyio.to_thread.run_sync(self._queue.commit, metadata, writer)

    async def _in_time(self, stored: Awaitable[object], size_bytes: int) -> None:
        try:
            async with asyncio.timeout(2 * self._request_s + size_bytes / MIN_STORAGE_BYTES_PER_S):
                await stored
        except TimeoutError:
            raise StorageUnavailableError("the storage did not answer in time") from None

    async def _to_spool(self, spool: Spool, metadata: ItemMetadata, holder: Holder) -> None:
        payload = holder.writer if isinstance(holder.writer, SpoolWriter) else holder.payload
        await anyio.to_thread.run_sync(partial(spool.add, metadata, payload))
