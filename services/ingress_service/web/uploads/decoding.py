"""What the bytes of a body go through before they are a payload: digests, encoding, multipart form."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from packages.common.errors import PayloadError
from services.ingress_service.errors import BodyTooLargeError, DigestMismatchError, MalformedRequestError
from services.ingress_service.web.uploads.content import Declared
from services.ingress_service.web.uploads.gunzip import gunzipped
from services.ingress_service.web.uploads.multipart import file_part

DECODE_BYTES = 1 << 20
MAGIC = {
    "gzip": (b"\x1f\x8b",),
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16))),
}
ZLIB = tuple(bytes([0x78, flags]) for flags in range(256) if (0x7800 + flags) % 31 == 0)
LOOKS_LIKE = MAGIC | {"zlib, which HTTP calls deflate": ZLIB}
LONGEST_MAGIC = 4


@dataclass(frozen=True)
class Payload:
    """A payload as it will be stored, decoded and without wrapping, while its bytes still come."""

    content_type: str
    pieces: Iterator[bytes]
    filename: str | None = None


def unwrapped(
    blocks: Iterator[bytes], declared: Declared, max_decompressed_bytes: int, *, complete: bool
) -> Payload:
    """The payload in the blocks of a body; its pieces are made one by one as they are asked for.

    The digests of a body that is `complete` are verified first, so that no damage passes for a mistake.
    Raises, also while the pieces are read: BodyTooLargeError, PayloadError, MultipartMalformedError,
    UnsupportedTypeError; at their end DigestMismatchError.
    """
    data = verified(blocks, declared.digests)
    if complete:
        data = iter([*data])
    if declared.encoding is not None:
        data = decoded(data, declared.encoding, max_decompressed_bytes)
    if declared.boundary is None:
        return Payload(declared.content_type, data)
    part = file_part(data, declared.boundary)
    return Payload(part.content_type, part.pieces, part.filename)


def verified(blocks: Iterator[bytes], digests: Sequence[tuple[str, bytes]]) -> Iterator[bytes]:
    """The same blocks; their end is a DigestMismatchError where a digest is not that of the body."""
    running = [(hashlib.new(name, usedforsecurity=False), name, expected) for name, expected in digests]
    for block in blocks:
        for digest, _, _ in running:
            digest.update(block)
        yield block
    for digest, name, expected in running:
        if not hmac.compare_digest(digest.digest(), expected):
            raise DigestMismatchError(f"The {name} digest sent is not that of the body received.")


def decoded(blocks: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """The bytes behind a content encoding, about a MiB at a time, however far they expand.

    Raises MalformedRequestError (it is another encoding or none), PayloadError, BodyTooLargeError.
    """
    size_bytes, blocks = 0, _begun(blocks, encoding)
    for piece in gunzipped(blocks, DECODE_BYTES) if encoding == "gzip" else _streamed(blocks, encoding):
        size_bytes += len(piece)
        if size_bytes > limit:
            raise BodyTooLargeError(f"The body is larger than {limit} bytes after decoding.")
        yield piece


def _begun(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The same blocks; raises MalformedRequestError where they do not begin as the encoding does."""
    begin = b""
    while len(begin) < LONGEST_MAGIC and (block := next(blocks, None)) is not None:
        begin += block
    if not begin.startswith(MAGIC[encoding]):
        kind = next((name for name, magic in LOOKS_LIKE.items() if begin.startswith(magic)), None)
        hint = (
            f"it begins like {kind}" if kind else "if it is not compressed, send it without Content-Encoding"
        )
        raise MalformedRequestError(f"The body is not {encoding}, as its Content-Encoding says; {hint}.")
    yield begin
    yield from blocks


def _streamed(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    source = pa.PythonFile(Blocks(blocks), mode="r")
    with pa.CompressedInputStream(source, encoding) as stream:
        while piece := _read(stream, encoding):
            yield piece
    for _ in blocks:
        raise PayloadError(f"The body goes on behind the end of its {encoding} data")


def _read(stream: pa.CompressedInputStream, encoding: str) -> bytes:
    try:
        return stream.read(DECODE_BYTES)  # type: ignore[no-any-return]
    except pa.ArrowException:
        raise PayloadError(f"The body is not valid {encoding}") from None
    except OSError as error:
        if type(error) is not OSError:
            raise
        raise PayloadError(f"The body is not valid {encoding}") from None


class Blocks:
    """Blocks as a file that can be read once, from its begin to its end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self.closed = False

    def read(self, size_bytes: int = -1) -> bytes:
        """At most `size_bytes` (all of one block if negative); nothing at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        size_bytes = len(self._rest) if size_bytes < 0 else size_bytes
        piece, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        return bytes(piece)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Read no more."""
        self.closed = True
