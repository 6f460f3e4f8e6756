"""Reads plain CSV texts with one header as one text: 0.03 ms a small text instead of 0.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from packages.common.errors import PayloadError
from packages.common.payloads.csv_payload import BOM, read_csv
from packages.common.payloads.csv_plain import plain_csv


@dataclass(frozen=True)
class JoinableCsv:
    """A plain CSV text (UTF-8) that may be joined with others of the same `header`, a line with its end."""

    header: bytes
    text: bytes
    rows: int


def joinable_csv(data: bytes) -> JoinableCsv | None:
    """A text that may be joined with others, or None for one that has to be read by itself."""
    end = data.find(b"\n") + 1
    header = data[:end]
    if not header.strip() or header.startswith(BOM) or b"\r" in header.rstrip(b"\r\n"):
        return None
    try:
        plain = plain_csv(data)
    except PayloadError:
        return None
    return JoinableCsv(header, data, plain.rows) if plain else None


def read_joined(texts: Sequence[JoinableCsv]) -> list[pl.DataFrame] | None:
    """What `read_csv` makes of each text; None where they cannot be told apart again."""
    header = texts[0].header
    bodies = (text.text[len(header) :].strip(b"\r\n") for text in texts)
    try:
        frame = read_csv(b"\n".join([header.rstrip(b"\r\n"), *bodies]))
    except PayloadError:
        return None
    if frame.height != sum(text.rows for text in texts):
        return None
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + text.rows)
    return [frame.slice(start, text.rows) for start, text in zip(starts, texts, strict=False)]
