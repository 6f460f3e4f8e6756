"""Finds the rows that a merge could not take whole, and writes them down for whoever corrects them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import polars.selectors as selectors
import structlog
import xarray as xr

from packages.common.extractors.frames import Frame
from packages.common.quarantine import REASON_COLUMN, ROW_COLUMN
from zarr_fuse.errors import ZarrFuseError
from zarr_fuse.incoming.frame import convert
from zarr_fuse.report import LISTED_ROWS, RejectedRow, UpdateReport
from zarr_fuse.schema import DatasetSchema

Table = pl.DataFrame | pd.DataFrame

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Quarantine:
    """Rejected rows as CSV, with the number and the reasons of each."""

    rows: int
    csv: bytes


def quarantined(frame: Frame, schema: DatasetSchema, report: UpdateReport | None = None) -> Quarantine | None:
    """The rows of a frame with findings; None where there are none, and for a dataset, which has no rows.

    `report` is that of the merge. Where it does not list everything, and without it, the frame is converted
    once more, a part at a time.
    """
    if isinstance(frame, xr.Dataset):
        return None
    listed = report.rejected if report is not None else ()
    if report is None or sum(report.rejected_counts.values()) > len(listed):
        listed = (*listed, *_found_again(frame, schema))
    reasons = _by_row(listed)
    return Quarantine(len(reasons), _csv(frame, reasons)) if reasons else None


def _found_again(frame: Table, schema: DatasetSchema) -> Iterable[RejectedRow]:
    for start in range(0, len(frame), LISTED_ROWS):
        part = frame[start : start + LISTED_ROWS]
        try:
            findings = convert(part, schema).findings.shifted(start)
        except ZarrFuseError as error:
            log.warning("rows of a quarantine cannot be found again", reason=str(error))
            return
        yield from findings.rejected(len(findings))


def _by_row(findings: Iterable[RejectedRow]) -> dict[int, str]:
    reasons: dict[int, dict[str, None]] = {}
    for one in findings:
        if one.row is not None:
            sentence = f"{one.column}: {one.message or one.kind}" if one.column else one.message or one.kind
            reasons.setdefault(one.row, {})[sentence] = None
    return {row: "; ".join(reasons[row]) for row in sorted(reasons)}


def _csv(frame: Table, reasons: Mapping[int, str]) -> bytes:
    rows = list(reasons)
    added: dict[str, list[Any]] = {ROW_COLUMN: rows, REASON_COLUMN: list(reasons.values())}
    if isinstance(frame, pd.DataFrame):
        chosen = frame.iloc[rows].drop(columns=list(added), errors="ignore")
        return chosen.assign(**added).to_csv(index=False).encode()
    names = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    zoned = selectors.datetime(time_zone="*")
    texts = zoned.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    columns = {name: pl.Series(values) for name, values in added.items()}
    return frame.select(names)[rows].with_columns(texts, **columns).write_csv().encode()
