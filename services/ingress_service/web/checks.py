"""What is checked before anything is accepted: that a payload parses, and fits the schema of its node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from packages.common.validation import decode_payload, frame_from_json
from services.ingress_service.errors import ColumnsMissingError, SchemaMismatchError
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.frame import convert
from zarr_fuse.report import RejectedRow
from zarr_fuse.schema import DatasetSchema

SAMPLE_ROWS = 1000
FINDINGS_SHOWN = 100


@dataclass(frozen=True)
class CheckReport:
    """What the checks found; `findings` come from the sample, the first rows of the payload."""

    rows: int | None = None
    columns: list[str] = field(default_factory=list)
    sample_rows: int = 0
    findings: list[RejectedRow] = field(default_factory=list)
    finding_counts: dict[str, int] = field(default_factory=dict)


def check_payload(
    data: bytes,
    content_type: str,
    schema: DatasetSchema,
    *,
    extracted: bool = False,
    on_bad_rows: Literal["report", "fail"] = "report",
) -> CheckReport:
    """Parse a payload and compare it with the schema of its node.

    `extracted` says that an extractor function will make the table later: then only the syntax is checked.
    Raises PayloadError or EmptyPayloadError (does not parse), ColumnsMissingError (names all that are
    missing), SchemaMismatchError (a column cannot be converted, or bad rows under `on_bad_rows="fail"`).
    """
    payload = decode_payload(data, content_type)
    if extracted or isinstance(payload, bytes):
        return CheckReport(rows=payload.height if isinstance(payload, pl.DataFrame) else None)
    frame = payload if isinstance(payload, pl.DataFrame) else frame_from_json(payload)
    require_columns(frame.columns, schema)
    return _convert_sample(frame, schema, on_bad_rows)


def required_columns(schema: DatasetSchema) -> list[str]:
    """Columns without which no row has a place: those of the coordinates, and of what composes them."""
    simple = [coordinate.df_col for coordinate in schema.COORDS.values() if not coordinate.is_composed]
    return simple + [variable.df_col for name, variable in schema.VARS.items() if name in schema.components]


def optional_columns(schema: DatasetSchema) -> list[str]:
    """Columns of all other variables; where one is missing its cells stay as they are."""
    return [variable.df_col for name, variable in schema.VARS.items() if name not in schema.components]


def require_columns(columns: list[str], schema: DatasetSchema) -> None:
    """Raise ColumnsMissingError that names every required column that is not among `columns`."""
    missing = [name for name in required_columns(schema) if name not in columns]
    if missing:
        shown = ", ".join(repr(name) for name in missing)
        raise ColumnsMissingError(
            f"Columns that the schema requires are missing: {shown}.",
            errors=[{"column": name, "message": "the column is missing"} for name in missing],
        )


def _convert_sample(
    frame: pl.DataFrame, schema: DatasetSchema, on_bad_rows: Literal["report", "fail"]
) -> CheckReport:
    sample = frame.head(SAMPLE_ROWS)
    try:
        findings = convert(sample, schema, on_bad_rows=on_bad_rows).findings
    except UpdateRefusedError as error:
        raise _mismatch(error) from None
    return CheckReport(
        rows=frame.height,
        columns=frame.columns,
        sample_rows=sample.height,
        findings=list(findings.rejected(FINDINGS_SHOWN)),
        finding_counts=findings.counts,
    )


def _mismatch(error: UpdateRefusedError) -> SchemaMismatchError:
    rejected = error.report.rejected[:FINDINGS_SHOWN] if error.report is not None else ()
    rows = [
        {"row": row.row, "column": row.column, "value": row.value, "message": row.message} for row in rejected
    ]
    return SchemaMismatchError(" ".join(error.problems), errors=rows)
