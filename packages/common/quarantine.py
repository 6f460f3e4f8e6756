"""Rejected rows as CSV that can be corrected and sent again: the row, where it was, and why."""

from __future__ import annotations

import csv
from typing import Final

import polars as pl

from packages.common.content_types import canonical_type

ROW_COLUMN: Final = "rejected_row"
REASON_COLUMN: Final = "rejected_because"
REASONS: Final = (ROW_COLUMN, REASON_COLUMN)
HEADER_BYTES = 2**16


def is_corrected(payload: bytes, content_type: str) -> bool:
    """Whether a payload is such a file, sent again."""
    if canonical_type(content_type) != "text/csv":
        return False
    first = payload[:HEADER_BYTES].partition(b"\n")[0].decode(errors="replace").strip("\ufeff\r")
    return set(REASONS) <= set(next(csv.reader([first]), []))


def without_reasons(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows without the columns that a quarantine adds."""
    return frame.drop(REASONS, strict=False) if set(REASONS) <= set(frame.columns) else frame
