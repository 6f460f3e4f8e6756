"""The only place where a request body is read: bounded, timed, verified, decoded."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import pyarrow as pa
from starlette.requests import Request

from packages.common.errors import EmptyPayloadError, PayloadError
from services.ingress_service.errors import BodyTimeoutError, BodyTooLargeError
from services.ingress_service.web.content import Declared, declared_by, verify_digests
from services.ingress_service.web.limits import CHUNK_TIMEOUT_S, Lease
from services.ingress_service.web.multipart import file_part

DECODE_BYTES = 1 << 20
GRACE_S = 60.0
MIN_BYTES_PER_S = 1024


@dataclass(frozen=True)
class Body:
    """A payload as it will be stored: decoded, without multipart wrapping."""

    data: bytes
    content_type: str
    filename: str | None = None


@dataclass(frozen=True)
class Bounds:
    """Largest body as received, and after decoding, in bytes."""

    max_upload_bytes: int
    max_decompressed_bytes: int


async def read_body(request: Request, lease: Lease, bounds: Bounds) -> Body:
    """Read, verify and unpack the body of `request`.

    Raises EmptyPayloadError, BodyTooLargeError, BodyTimeoutError, PayloadError, DigestMismatchError,
    MultipartMalformedError, UnsupportedTypeError; starlette's ClientDisconnect when the client is gone.
    """
    declared = declared_by(request.headers)
    raw = await _receive(request, lease, bounds.max_upload_bytes)
    request.state.received_bytes = len(raw)
    if not raw:
        raise EmptyPayloadError("No data provided")
    limit = bounds.max_decompressed_bytes
    return await anyio.to_thread.run_sync(_unpack, raw, declared, lease, limit, limiter=lease.checks)


async def _receive(request: Request, lease: Lease, limit: int) -> bytes:
    """The bytes of the body, held once; a declared length is believed only where it is already too much."""
    if (length := request.headers.get("content-length", "")).isdigit() and int(length) > limit:
        raise _too_large(limit)
    buffer, chunks = io.BytesIO(), request.stream()
    started = asyncio.get_running_loop().time()
    while True:
        chunk = await _next_chunk(chunks, started, buffer.tell())
        if chunk is None:
            return buffer.getvalue()
        if buffer.tell() + len(chunk) > limit:
            raise _too_large(limit)
        lease.take(len(chunk))
        buffer.write(chunk)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than {limit} bytes.")


async def _next_chunk(chunks: AsyncIterator[bytes], started: float, received_bytes: int) -> bytes | None:
    """The next chunk, or None at the end; a client may pause, but not for ever and not with every byte."""
    deadline = started + GRACE_S + received_bytes / MIN_BYTES_PER_S
    patience = min(CHUNK_TIMEOUT_S, deadline - asyncio.get_running_loop().time())
    try:
        async with asyncio.timeout(max(patience, 0)):
            return await anext(chunks, None)
    except TimeoutError:
        raise BodyTimeoutError(f"The body stopped after {received_bytes} bytes.") from None


def _unpack(raw: bytes, declared: Declared, lease: Lease, max_decompressed_bytes: int) -> Body:
    """Verify and decode a body as received; runs in a worker thread."""
    verify_digests(declared, raw)
    data = _decode(raw, declared.encoding, lease, max_decompressed_bytes) if declared.encoding else raw
    if declared.boundary is None:
        return Body(data, declared.content_type)
    part = file_part(data, declared.boundary)
    return Body(part.data, part.content_type, part.filename)


def _decode(raw: bytes, encoding: str, lease: Lease, limit: int) -> bytes:
    buffer = io.BytesIO()
    try:
        with pa.CompressedInputStream(pa.BufferReader(raw), encoding) as stream:
            while chunk := stream.read(DECODE_BYTES):
                if buffer.tell() + len(chunk) > limit:
                    raise BodyTooLargeError(f"The body is larger than {limit} bytes after decoding.")
                anyio.from_thread.run_sync(lease.take, len(chunk))
                buffer.write(chunk)
    except OSError:
        raise PayloadError(f"The body is not valid {encoding}") from None
    return buffer.getvalue()
