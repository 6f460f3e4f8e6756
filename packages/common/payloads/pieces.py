"""Reading a payload of any size while it comes: CSV and NDJSON in parts, everything else when it is whole.

A binary format is one part, which says what the file holds (`Contents`); it waits on disk, not in memory.

A payload that ends before its first part is cut is decoded by `decode_payload`, as the extractor does.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from packages.common.content_types import canonical_type, charset_of
from packages.common.errors import PayloadError, PayloadTooLargeError, UnsupportedTypeError
from packages.common.payloads.binary import Contents, is_binary
from packages.common.payloads.binary_pieces import BinaryPieces
from packages.common.payloads.csv_payload import BOM
from packages.common.payloads.csv_pieces import CsvPieces
from packages.common.payloads.csv_plain import PlainCsv, plain_csv
from packages.common.payloads.json_payload import Json, read_ndjson
from packages.common.validation import UTF8, Decoded, decode_payload

Part: TypeAlias = Decoded | PlainCsv | Contents
"""Some rows or values of a payload, a whole CSV text nobody has to read, or what a binary file holds."""

PIECE_BYTES = 2**19
MAX_LINE_BYTES = 16 * 2**20
WHOLE_BYTES = 64 * 2**20
"""Largest payload of a type that is checked and merged whole: JSON, which takes six times that in memory."""
JSON_BEGINS = b'[{"-0123456789tfn'
BEGIN_BYTES = 256


class PayloadPieces(Protocol):
    """A payload on its way."""

    @property
    def held_bytes(self) -> int:
        """Bytes held in memory for now."""

    def feed(self, data: bytes) -> Iterator[Part]:
        """What can be read of the payload by now; raises PayloadError."""

    def finish(self) -> Iterator[Part]:
        """What is left; raises PayloadError, EmptyPayloadError."""


def payload_pieces(content_type: str, dataset_bytes: int = 0) -> PayloadPieces:
    """The reader of a content type; its parts follow each other without gap and make the payload together.

    Arrays with values of up to `dataset_bytes` come as a dataset.
    """
    match canonical_type(content_type):
        case "text/csv":
            return Begun(content_type, CsvPieces(), _short_csv)
        case "application/x-ndjson":
            return Begun(content_type, NdjsonPieces(), decode_payload)
    if is_binary(content_type):
        return BinaryPieces(content_type, dataset_bytes=dataset_bytes)
    return Whole(content_type)


class Whole:
    """Holds a payload until it is complete."""

    def __init__(self, content_type: str) -> None:
        self._content_type = content_type
        self._pieces: list[bytes] = []
        self.held_bytes = 0

    def feed(self, data: bytes) -> Iterator[Decoded]:
        """Nothing yet; raises PayloadError where the beginning is no JSON, PayloadTooLargeError."""
        if not self._pieces:
            self._refuse_other_beginning(data)
        self._pieces.append(data)
        self.held_bytes += len(data)
        if self.held_bytes > WHOLE_BYTES:
            raise PayloadTooLargeError(_too_large_for_whole(canonical_type(self._content_type)))
        return iter(())

    def _refuse_other_beginning(self, data: bytes) -> None:
        """Let garbage of any size end at its first bytes."""
        begin = data.removeprefix(BOM).lstrip()[:1]
        is_text = self._content_type == "application/json"  # so UTF-8: a charset would stand behind it
        if is_text and begin and begin not in JSON_BEGINS:
            decode_payload(data[:BEGIN_BYTES], self._content_type)

    def finish(self) -> Iterator[Decoded]:
        """The whole payload."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        yield decode_payload(data, self._content_type)


def _too_large_for_whole(kind: str) -> str:
    said = (
        f"A payload of type {kind} is checked and merged as one value in memory, and may have {WHOLE_BYTES} "
    )
    said += "bytes at most once decoded. "
    if kind == "application/json":
        return (
            f"{said}Send one record a line as application/x-ndjson, a table as text/csv, or the file in parts"
        )
    return f"{said}Send it in parts"


class Begun:
    """Holds the first bytes of a text for `read_short`; a text that has more goes to `rest`, as UTF-8."""

    def __init__(
        self, content_type: str, rest: PayloadPieces, read_short: Callable[[bytes, str], Part]
    ) -> None:
        self._content_type, self._rest, self._read_short = content_type, rest, read_short
        self._begin: bytearray | None = bytearray()
        self._text = Utf8(charset_of(content_type))

    @property
    def held_bytes(self) -> int:
        """Bytes held in memory for now."""
        return self._rest.held_bytes if self._begin is None else len(self._begin)

    def feed(self, data: bytes) -> Iterator[Part]:
        """Parts of the text, once it is longer than a piece."""
        if self._begin is not None:
            self._begin += data
            if len(self._begin) <= PIECE_BYTES:
                return iter(())
            data, self._begin = bytes(self._begin), None
        return self._rest.feed(self._text.decode(data))

    def finish(self) -> Iterator[Part]:
        """The rest, or the whole text if it is short."""
        if self._begin is not None:
            yield self._read_short(bytes(self._begin), self._content_type)
            return
        yield from self._rest.feed(self._text.decode(b"", final=True))
        yield from self._rest.finish()


def _short_csv(data: bytes, content_type: str) -> PlainCsv | Decoded:
    plain = plain_csv(data) if charset_of(content_type) in UTF8 else None
    return plain or decode_payload(data, content_type)


class NdjsonPieces:
    """One NDJSON text (UTF-8) on its way; every part is a list of values."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._lines_before = 0

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the end of their line."""
        return len(self._pending)

    def feed(self, data: bytes) -> Iterator[list[Json]]:
        """Values of the lines that are complete by now."""
        if not self._lines_before and not self._pending:
            data = data.removeprefix(BOM)
        self._pending += data
        if len(self._pending) < PIECE_BYTES:
            return
        if end := self._pending.rfind(b"\n") + 1:
            yield from self._read(end)
        elif len(self._pending) > MAX_LINE_BYTES:
            text = f"a line of the JSON is longer than {MAX_LINE_BYTES >> 20} MiB"
            raise PayloadError(text, self._lines_before + 1)

    def finish(self) -> Iterator[list[Json]]:
        """Values of the rest."""
        yield from self._read(len(self._pending))

    def _read(self, end: int) -> Iterator[list[Json]]:
        piece = bytes(memoryview(self._pending)[:end])
        del self._pending[:end]
        if piece.strip():
            try:
                yield read_ndjson(piece)
            except PayloadError as error:
                line = None if error.line is None else error.line + self._lines_before
                raise PayloadError(error.message, line, error.column, error.hint) from None
        self._lines_before += piece.count(b"\n")


class Utf8:
    """Brings a text that comes in pieces from its charset into UTF-8; UTF-8 itself passes unread."""

    def __init__(self, charset: str | None) -> None:
        self._charset = charset
        self._position = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        if charset not in UTF8:
            self._decoder = self._find(charset or "")

    def decode(self, data: bytes, *, final: bool = False) -> bytes:
        """The next bytes in UTF-8; raises PayloadError that names the byte at fault."""
        if self._decoder is None:
            return data
        waiting = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            place = self._position - waiting + error.start
            raise PayloadError(f"the payload is not {self._charset} at byte {place}") from None
        self._position += len(data)
        return text.encode()

    def _find(self, charset: str) -> codecs.IncrementalDecoder:
        try:
            b"".decode(charset)
            return codecs.getincrementaldecoder(charset)()
        except LookupError:
            raise UnsupportedTypeError(f"Unsupported charset: {charset}") from None
