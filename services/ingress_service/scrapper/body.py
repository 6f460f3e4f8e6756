"""The body of an answer: in memory while it is small, in a temporary file beyond that."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HELD_BYTES = 8 * 2**20
PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Body:
    """What was received; a file behind `payload` belongs to this body until it is discarded."""

    payload: bytes | Path
    size_bytes: int
    sha256: str

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces of at most 1 MiB, from the beginning."""
        if isinstance(self.payload, bytes):
            for start in range(0, len(self.payload), PIECE_BYTES):
                yield self.payload[start : start + PIECE_BYTES]
            return
        with self.payload.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def read(self) -> bytes:
        """All bytes."""
        return self.payload if isinstance(self.payload, bytes) else self.payload.read_bytes()

    def discard(self) -> None:
        """Remove the file; repeating it is harmless."""
        if isinstance(self.payload, Path):
            self.payload.unlink(missing_ok=True)


class BodyWriter:
    """Takes a body in as it comes; used as a context that removes the file where no body came of it."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._finished = False

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""
        self.size_bytes += len(piece)
        self._digest.update(piece)
        self._held += piece
        if len(self._held) > HELD_BYTES:
            self._flush()

    def finish(self) -> Body:
        """The whole body."""
        payload: bytes | Path = bytes(self._held)
        if self._file is not None:
            self._flush()
            self._file.close()
            payload = Path(self._file.name)
        self._finished = True
        return Body(payload, self.size_bytes, self._digest.hexdigest())

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile(prefix="scrape-", delete=False)  # noqa: SIM115
        self._file.write(self._held)
        self._held.clear()

    def __enter__(self) -> BodyWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None and not self._finished:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
