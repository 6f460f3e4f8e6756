"""Answers that are a file: from the queue, or from the spool of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
from starlette.responses import Response, StreamingResponse

from packages.common.queue_items import QueuedItem
from packages.common.s3io import ObjectStorage

PIECE_BYTES = 1 << 20


def file_name(item: QueuedItem) -> str:
    """What the payload of an item is called."""
    return f"{item.item_id.rpartition('/')[2]}.{item.extension or 'bin'}"


async def stored(
    storage: ObjectStorage, key: str, name: str, content_type: str | None, size_bytes: int | None
) -> Response:
    """An object of the storage, or `ObjectMissingError`; without `size_bytes` its length is not told."""
    pieces = storage.stream_async(key)
    return _download(await anext(pieces, b""), pieces, name, content_type, size_bytes)


async def on_disk(path: Path, name: str, content_type: str | None, size_bytes: int) -> Response:
    """A file, or FileNotFoundError; once the answer has begun the file may go."""
    pieces = _pieces(path)
    return _download(await anext(pieces, b""), pieces, name, content_type, size_bytes)


def _download(
    first: bytes, rest: AsyncIterator[bytes], name: str, content_type: str | None, size_bytes: int | None
) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    if size_bytes is not None:
        headers["Content-Length"] = str(size_bytes)
    media_type = content_type or "application/octet-stream"
    return StreamingResponse(_joined(first, rest), media_type=media_type, headers=headers)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(PIECE_BYTES):
            yield piece


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream whose first piece has been read already, so that a missing object is still a 404."""
    yield first
    async for piece in rest:
        yield piece
