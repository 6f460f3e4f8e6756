"""Reading a CSV text that comes piece by piece, with the same strictness as one that is held whole.

What has come is cut behind a complete record and read with the header in front of it, so that memory holds a
few MiB of a text of any size. Lines are counted on, so that a fault names its line in the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import polars as pl

from packages.common.errors import PayloadError
from packages.common.payloads.csv_payload import BOM, HEADER_HINT, header_separator, read_csv

PIECE_BYTES = 2**19
MAX_RECORD_BYTES = 16 * 2**20


class CsvPieces:
    """One CSV text (UTF-8) on its way: `feed` what comes, then `finish`; frames hold every column as text."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._head = b""
        self._lines_before = 0
        self._enough_bytes = PIECE_BYTES

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the end of their record."""
        return len(self._pending)

    def feed(self, data: bytes) -> Iterator[pl.DataFrame]:
        """Frames of the records that are complete by now; raises PayloadError with the line at fault."""
        self._pending += data
        while len(self._pending) >= self._enough_bytes:
            if end := self._end_of_records():
                self._enough_bytes = PIECE_BYTES
                yield from self._read(end)
            else:
                self._refuse_endless_record()
                self._enough_bytes = 2 * len(self._pending)

    def finish(self) -> Iterator[pl.DataFrame]:
        """Frames of the rest; raises EmptyPayloadError where the whole text had no rows."""
        if self._head and not self._pending.strip():
            return
        yield from self._read(len(self._pending))

    def _read(self, end: int) -> Iterator[pl.DataFrame]:
        piece = bytes(memoryview(self._pending)[:end])
        del self._pending[:end]
        if not self._head:
            frame = read_csv(piece)
            self._head = _head(piece)
        elif not piece.strip():
            frame = pl.DataFrame()
        else:
            frame = self._read_below_head(piece)
        self._lines_before += piece.count(b"\n")
        if not frame.is_empty():
            yield frame

    def _read_below_head(self, piece: bytes) -> pl.DataFrame:
        try:
            return read_csv(self._head + piece)
        except PayloadError as error:
            line = error.line
            if line is not None:
                line += self._lines_before - self._head.count(b"\n")
            hint = None if error.hint == HEADER_HINT else error.hint  # this row is not the first
            raise PayloadError(error.message, line, error.column, hint) from None

    def _end_of_records(self) -> int:
        """Where the last complete record ends; 0 where none does, or nothing but the header is complete."""
        if not self._head and self._pending.startswith(BOM):
            del self._pending[: len(BOM)]
        held = bytes(self._pending)
        if not self._head and not held.strip():
            return 0
        if b'"' not in held:
            end = held.rfind(b"\n") + 1 or held.rfind(b"\r") + 1
        else:
            end = _complete_records(held, self._head or held)
        return end if self._head or held[len(_head(held)) : end].strip() else 0

    def _refuse_endless_record(self) -> None:
        if len(self._pending) > MAX_RECORD_BYTES:
            raise PayloadError(
                f"a row of the CSV is longer than {MAX_RECORD_BYTES >> 20} MiB",
                self._lines_before + 1,
                hint="A quote may be opened and never closed",
            )


def _head(text: bytes) -> bytes:
    """The header record, with the blank lines before it and its own line end."""
    text = text.removeprefix(BOM)
    separator, start = header_separator(text), len(text) - len(text.lstrip(b"\r\n"))
    for line_end in (b"\n", b"\r"):
        if found := _one_record(separator, line_end).match(text, start):
            return text[: found.end()]
    return text


def _complete_records(text: bytes, head: bytes) -> int:
    separator = header_separator(head)
    ends = (_records(separator, mark).match(text) for mark in (b"\n", b"\r"))
    return next((found.end() for found in ends if found is not None and found.end()), 0)


@lru_cache(maxsize=8)
def _records(separator: str, line_end: bytes) -> re.Pattern[bytes]:
    """As many whole records as there are; a quote opens a field only where a field begins."""
    return re.compile(rb"(?:%b)*+" % _record(separator, line_end))


@lru_cache(maxsize=8)
def _one_record(separator: str, line_end: bytes) -> re.Pattern[bytes]:
    return re.compile(_record(separator, line_end))


def _record(separator: str, line_end: bytes) -> bytes:
    marks = re.escape(separator.encode()) + rb"\r\n"
    begins = rb"(?:(?<=[%b])|\A)" % marks
    quoted = rb'%b"(?:[^"]++|"")*+"' % begins
    stray = rb'(?!%b)"' % begins
    return rb'(?:[^"%b]++|%b|%b)*+%b' % (line_end, quoted, stray, line_end)
