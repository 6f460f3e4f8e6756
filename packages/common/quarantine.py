"""Rejected rows as CSV that can be corrected and sent again: the row, where it was, and why."""

from __future__ import annotations

import csv
from typing import Final

import polars as pl

from packages.common.content_types import canonical_type
from packages.common.payloads.csv_payload import BOM, header_separator

ROW_COLUMN: Final = "rejected_row"
REASON_COLUMN: Final = "rejected_because"
REASONS: Final = (ROW_COLUMN, REASON_COLUMN)
HEADER_BYTES = 2**16


def is_corrected(payload: bytes, content_type: str) -> bool:
    """Whether a payload is such a file, sent again."""
    if canonical_type(content_type) != "text/csv":
        return False
    lines = payload[:HEADER_BYTES].removeprefix(BOM).splitlines()
    first = next((line for line in lines if line.strip()), b"")
    names = csv.reader([first.decode(errors="replace")], delimiter=header_separator(first))
    return set(REASONS) <= set(next(names, []))


def without_reasons(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows without the columns that a quarantine adds."""
    return frame.drop(REASONS, strict=False) if set(REASONS) <= set(frame.columns) else frame
