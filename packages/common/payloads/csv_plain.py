"""CSV texts so plain that their columns and rows are known without their fields being read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from packages.common.payloads.csv_payload import BOM, header_names, header_separator, read_csv


@dataclass(frozen=True)
class PlainCsv:
    """A CSV text (UTF-8) without quotes, whose rows all have as many fields as its header."""

    text: bytes
    columns: tuple[str, ...]
    rows: int

    def frame(self) -> pl.DataFrame:
        """What `read_csv` makes of the text."""
        return read_csv(self.text)


def plain_csv(data: bytes) -> PlainCsv | None:
    """A text that `read_csv` would take, or None for one that it has to judge.

    Measured with 2 kB: 15 µs, against 220 µs of `read_csv`. Raises PayloadError where the header is at fault.
    """
    text = data.removeprefix(BOM)
    if b'"' in text or b"\0" in text or text.startswith(BOM) or not _is_utf8(text):
        return None
    lines = [line for line in text.splitlines() if line]
    if len(lines) < 2 or not lines[0].strip() or not lines[-1].strip():
        return None
    separator = header_separator(lines[0])
    mark = separator.encode()
    if len({line.count(mark) for line in lines}) > 1:
        return None
    return PlainCsv(data, _names(lines[0], separator), len(lines) - 1)


@lru_cache(maxsize=64)
def _names(header: bytes, separator: str) -> tuple[str, ...]:
    """The names in a header; a station sends the same one every time."""
    return tuple(header_names(header, separator))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
