"""Receives a request body: bounded, timed, and never more of it in memory than a few blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
from starlette.requests import ClientDisconnect, Request

from packages.common.errors import EmptyPayloadError
from packages.common.wording import counted
from services.ingress_service.errors import BodyTimeoutError, BodyTooLargeError
from services.ingress_service.web.limits import CHUNK_TIMEOUT_S, Lease

BLOCK_BYTES = 1 << 18
GRACE_S = 60.0
MIN_BYTES_PER_S = 1024


@dataclass(frozen=True)
class Bounds:
    """Largest body as received, and after decoding, in bytes."""

    max_upload_bytes: int
    max_decompressed_bytes: int


@dataclass
class Arrival:
    """A body on its way in: its first block, and the rest of it, block by block.

    `complete` says that the first block is all there is.
    """

    request: Request
    limit: int
    received_bytes: int = 0
    first: bytes = b""
    complete: bool = False
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = asyncio.get_running_loop().time()

    def blocks(self) -> Iterator[bytes]:
        """The body from its first byte; the rest is fetched from the event loop by a worker thread."""
        yield self.first
        while not self.complete:
            yield anyio.from_thread.run(self.next_block)

    async def next_block(self, lease: Lease | None = None) -> bytes:
        """At least a block, or what is left; the bytes are held by `lease` while they come."""
        pieces, size_bytes = [], 0
        while size_bytes < BLOCK_BYTES and not self.complete:
            chunk = await self._next_chunk()
            size_bytes += len(chunk)
            if lease is not None:
                lease.take(len(chunk))
            pieces.append(chunk)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _next_chunk(self) -> bytes:
        """The next chunk; a client may pause, but not for ever and not with every byte."""
        deadline = self._started + GRACE_S + self.received_bytes / MIN_BYTES_PER_S
        patience = min(CHUNK_TIMEOUT_S, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(max(patience, 0)):
                message = await self.request.receive()
        except TimeoutError:
            raise BodyTimeoutError(
                f"The body stopped after {counted(self.received_bytes, 'byte')}."
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self.complete = not message.get("more_body", False)
        return self._counted(message.get("body", b""))

    def _counted(self, chunk: bytes) -> bytes:
        self.received_bytes += len(chunk)
        self.request.state.received_bytes = self.received_bytes
        if self.received_bytes > self.limit:
            raise too_large(self.limit)
        return chunk


async def arrive(request: Request, lease: Lease, limit: int) -> Arrival:
    """The first block of a body; a declared length is believed only where it is already too much.

    Raises EmptyPayloadError, BodyTooLargeError, BodyTimeoutError, OverloadedError; starlette's
    ClientDisconnect when the client is gone. So does every later block.
    """
    if (length := request.headers.get("content-length", "")).isdigit() and int(length) > limit:
        raise too_large(limit)
    arrival = Arrival(request, limit)
    arrival.first = await arrival.next_block(lease)
    if not arrival.received_bytes:
        raise EmptyPayloadError("No data provided")
    return arrival


def too_large(limit: int) -> BodyTooLargeError:
    """The refusal of a body with more than `limit` bytes."""
    return BodyTooLargeError(f"The body is larger than {limit} bytes.")
