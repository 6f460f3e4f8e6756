"""The rows of the CSV file that a scraper goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from services.ingress_service.scrapper.errors import PlanError
from services.ingress_service.scrapper.model import Choice


def choices(path: Path, outputs: Mapping[str, str], *, has_header: bool = True) -> list[Choice]:
    """One choice a row: `outputs` maps variables to columns; a row with an empty needed value is skipped.

    Variables hold the text of the file; the row that goes along has numbers where a whole column does.
    Raises `PlanError` for a file that cannot be read, and for columns that are not there.
    """
    texts, typed = _read(path, has_header, infer=False), _read(path, has_header, infer=True)
    if missing := sorted(set(outputs.values()) - set(texts.columns)):
        raise PlanError(f"{path} has no column {', '.join(map(repr, missing))}; it has {_listed(texts)}")
    pairs = zip(texts.iter_rows(named=True), typed.iter_rows(named=True), strict=True)
    return [
        Choice({name: text[column].strip() for name, column in outputs.items()}, row)
        for text, row in pairs
        if all((text[column] or "").strip() for column in outputs.values())
    ]


def _read(path: Path, has_header: bool, *, infer: bool) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, has_header=has_header, infer_schema=infer, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PlanError(f"{path} cannot be read: {str(error).partition(chr(10))[0]}") from None
    return frame if has_header else frame.rename(_numbered(frame.columns))


def _numbered(names: Sequence[str]) -> dict[str, str]:
    """Columns without names count from 1, as configurations in use have it."""
    return {name: f"column_{number}" for number, name in enumerate(names, start=1)}


def _listed(frame: pl.DataFrame) -> str:
    return ", ".join(map(repr, frame.columns[:20]))
