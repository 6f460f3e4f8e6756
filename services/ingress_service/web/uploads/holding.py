"""Where a payload stays until it is accepted: in memory while it is small, then in a writer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from packages.common.object_writer import ObjectWriter

HELD_BYTES = 1 << 20
"""A payload up to this size goes to the storage in one PUT, once it is complete and checked."""

OpenWriter = Callable[[str], ObjectWriter]


class Holder:
    """The bytes of one payload; a writer that is not committed is given up when the request ends."""

    def __init__(self, open_writer: OpenWriter | None, in_memory_bytes: int = HELD_BYTES) -> None:
        """Without `open_writer` nothing is kept."""
        self._open_writer = open_writer
        self._in_memory_bytes = in_memory_bytes
        self._pieces: list[bytes] = []
        self.writer: ObjectWriter | None = None
        self.size_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Memory taken by now."""
        if self._open_writer is None:
            return 0
        return self.writer.held_bytes if self.writer is not None else self.size_bytes

    @property
    def payload(self) -> bytes:
        """A payload that has no writer."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def write(self, piece: bytes, content_type: str) -> None:
        """Take the next bytes; raises StorageError where a writer cannot take them."""
        self.size_bytes += len(piece)
        if self._open_writer is None:
            return
        if self.writer is None and self.size_bytes <= self._in_memory_bytes:
            self._pieces.append(piece)
            return
        if self.writer is None:
            self.writer = self._open_writer(content_type)
            for earlier in self._pieces:
                self.writer.write(earlier)
            self._pieces.clear()
        self.writer.write(piece)


@asynccontextmanager
async def holding(open_writer: OpenWriter | None) -> AsyncIterator[Holder]:
    """A holder for the length of the block; what it has not committed by then leaves nothing behind."""
    holder = Holder(open_writer)
    try:
        yield holder
    finally:
        if holder.writer is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(holder.writer.abort)
