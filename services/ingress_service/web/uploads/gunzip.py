"""Unpacks gzip as RFC 1952 has it: members one after the other, each with its check sum, and nothing else."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from packages.common.errors import PayloadError

GZIP_ONLY = 16 + zlib.MAX_WBITS
MAGIC = b"\x1f\x8b"
SLICE_BYTES = 1 << 16
"""Fed at a time: what lies behind a member is copied, and there may be many members."""


def gunzipped(blocks: Iterator[bytes], piece_bytes: int) -> Iterator[bytes]:
    """The bytes of all members, in pieces of about `piece_bytes`; raises PayloadError, also at the end."""
    pieces, size_bytes = [], 0
    for piece in _members(blocks, piece_bytes):
        pieces.append(piece)
        size_bytes += len(piece)
        if size_bytes >= piece_bytes:
            yield b"".join(pieces)
            pieces, size_bytes = [], 0
    if pieces:
        yield b"".join(pieces)


def _members(blocks: Iterator[bytes], piece_bytes: int) -> Iterator[bytes]:
    member, begin, number = zlib.decompressobj(GZIP_ONLY), b"", 0
    for data in _slices(blocks):
        left: bytes = data
        while left:
            begin = _begun(begin, left, number)
            try:
                piece = member.decompress(left, piece_bytes)
            except zlib.error:
                raise PayloadError("The body is not valid gzip") from None
            if piece:
                yield piece
            left = member.unconsumed_tail
            if member.eof:
                left, begin, number = member.unused_data, b"", number + 1
                member = zlib.decompressobj(GZIP_ONLY)
    if begin or not number:
        raise PayloadError("The body ends within its gzip data")


def _begun(begin: bytes, data: bytes, members_before: int) -> bytes:
    """The first two bytes of a member, as far as they have come."""
    if len(begin) < len(MAGIC):
        begin += data[: len(MAGIC) - len(begin)]
        if members_before and not MAGIC.startswith(begin):
            raise PayloadError("The body goes on behind the end of its gzip data")
    return begin


def _slices(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), SLICE_BYTES):
            yield block[start : start + SLICE_BYTES]
