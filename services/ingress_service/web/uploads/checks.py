"""What is checked before anything is accepted: that a payload parses, and fits the schema of its node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import pandas as pd
import polars as pl
import xarray as xr

from packages.common.payloads.binary import Contents
from packages.common.payloads.csv_plain import PlainCsv
from packages.common.payloads.pieces import Part, payload_pieces
from packages.common.quarantine import REASON_COLUMN, ROW_COLUMN
from packages.common.validation import frame_from_json
from packages.common.wording import named
from services.ingress_service.errors import ColumnsMissingError, SchemaMismatchError
from services.ingress_service.web.uploads.arrays_check import require_arrays
from services.ingress_service.web.uploads.dataset_trial import tried
from services.ingress_service.web.uploads.samples import TRIAL_BYTES, Sample
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.incoming.frame import Converted, OnBadRows, convert
from zarr_fuse.incoming.intake import nearest_name
from zarr_fuse.report import RejectedRow
from zarr_fuse.schema import DatasetSchema

FINDINGS_SHOWN = 100
MAX_PROVEN, MAX_PROVEN_COLUMNS = 100, 200
"""Sets of columns remembered for a schema, and columns in each; a client that varies them gains nothing."""
TEXT = pl.String()
Proven: TypeAlias = set[tuple[tuple[str, pl.DataType], ...]]
"""Columns, by name and type, that a schema is known to take."""


@dataclass(frozen=True)
class CheckReport:
    """What the checks found; `findings` come from the sample, the first rows of the payload."""

    rows: int | None = None
    columns: list[str] = field(default_factory=list)
    sample_rows: int = 0
    findings: list[RejectedRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    finding_counts: dict[str, int] = field(default_factory=dict)


def check_payload(
    data: bytes,
    content_type: str,
    schema: DatasetSchema,
    *,
    extracted: bool = False,
    on_bad_rows: OnBadRows = "report",
) -> CheckReport:
    """Check a payload that is held whole, as `PayloadCheck` does."""
    check = PayloadCheck(content_type, schema, extracted=extracted, on_bad_rows=on_bad_rows)
    check.feed(data)
    return check.finish()


class PayloadCheck:
    """Parses a payload while it comes and compares it with the schema of its node.

    `extracted` says that an extractor function will make the table later: then only the syntax is checked.
    A `trial` converts all rows that come within `TRIAL_BYTES`, others the first thousand; both as the merge
    does. Raises PayloadError or EmptyPayloadError (does not parse), ColumnsMissingError (names all that are
    missing), SchemaMismatchError (a column cannot be converted, or bad rows under `on_bad_rows="fail"`).

    Whether a column can be converted depends on its type alone, unless bad rows are to be refused. So what
    is `proven` of the schema already is not tried again, except on trial.
    """

    def __init__(
        self,
        content_type: str,
        schema: DatasetSchema,
        *,
        extracted: bool = False,
        on_bad_rows: OnBadRows = "report",
        trial: bool = False,
        proven: Proven | None = None,
    ) -> None:
        self._schema, self._extracted, self._on_bad_rows = schema, extracted, on_bad_rows
        self._pieces = payload_pieces(content_type, TRIAL_BYTES if trial and not extracted else 0)
        self._dataset: xr.Dataset | None = None
        self._sample = Sample(trial=trial)
        self._columns: dict[str, None] = {}
        self._rows: int | None = None
        self._proven = None if trial or on_bad_rows == "fail" else proven

    @property
    def held_bytes(self) -> int:
        """Memory taken by what waits to be parsed, and by the sample."""
        return self._pieces.held_bytes + self._sample.held_bytes

    def feed(self, data: bytes) -> None:
        """Check the next bytes."""
        for part in self._pieces.feed(data):
            self._take(part)

    def finish(self) -> CheckReport:
        """Check the rest, and convert the sample."""
        for part in self._pieces.finish():
            self._take(part)
        columns = list(self._columns)
        if self._dataset is not None:
            return converted(self._dataset, self._schema, self._on_bad_rows)
        if not self._sample.frames:
            return CheckReport(rows=self._rows, columns=columns)
        require_columns(columns, self._schema)
        sample = self._sample.frame()
        types = tuple(sample.schema.items())
        if self._proven is not None and types in self._proven:
            return CheckReport(rows=self._rows, columns=columns)
        report = converted(sample, self._schema, self._on_bad_rows)
        self._remember(types)
        return replace(report, rows=self._rows)

    def _take(self, part: Part) -> None:
        if isinstance(part, Contents):
            self._take_contents(part)
            return
        if isinstance(part, PlainCsv):
            if self._knows(part):
                self._rows, self._columns = part.rows, dict.fromkeys(part.columns)
                return
            part = part.frame()
        if isinstance(part, bytes) or (self._extracted and not isinstance(part, pl.DataFrame)):
            return
        first_row = self._rows or 0
        frame = part if isinstance(part, pl.DataFrame) else frame_from_json(part, first_row)
        self._rows = first_row + frame.height
        if self._extracted:
            return
        if isinstance(part, pl.DataFrame) and not first_row:
            require_columns(frame.columns, self._schema)
        self._columns |= dict.fromkeys(frame.columns)
        self._sample.add(frame)

    def _knows(self, text: PlainCsv) -> bool:
        """Whether nothing but columns and rows matters of a text."""
        proven = self._proven is not None and tuple((name, TEXT) for name in text.columns) in self._proven
        return self._extracted or proven

    def _take_contents(self, contents: Contents) -> None:
        self._rows = contents.rows
        if self._extracted:
            return
        self._columns |= dict.fromkeys(contents.columns)
        if contents.sample is not None:
            require_columns(contents.columns, self._schema)
            self._sample.add(contents.sample)
        else:
            require_arrays(contents, self._schema)
            self._dataset = contents.dataset

    def _remember(self, types: tuple[tuple[str, pl.DataType], ...]) -> None:
        if self._proven is not None and len(types) <= MAX_PROVEN_COLUMNS and len(self._proven) < MAX_PROVEN:
            self._proven.add(types)


def converted(
    frame: pl.DataFrame | pd.DataFrame | xr.Dataset, schema: DatasetSchema, on_bad_rows: OnBadRows
) -> CheckReport:
    """What the merge would find in a frame; raises SchemaMismatchError where it would refuse the frame."""
    try:
        if isinstance(frame, xr.Dataset):
            cells, found, notes = tried(frame, schema, on_bad_rows)
            return _report(found, cells, [str(name) for name in frame.variables], notes)
        found = convert(frame, schema, on_bad_rows=on_bad_rows)
        columns = [str(name) for name in frame.columns]
        return _report(found, len(frame), columns, _unused(columns, schema))
    except UpdateRefusedError as error:
        raise _mismatch(error) from None


def _unused(columns: list[str], schema: DatasetSchema) -> list[str]:
    """A sentence on the columns that nobody reads, such as those with a typing error in their name."""
    used = {variable.df_col for variable in schema.incoming} | {ROW_COLUMN, REASON_COLUMN}
    unused = [name for name in columns if name not in used]
    return [f"the schema has no use for {named(unused)}"] if unused else []


def _report(found: Converted, rows: int, columns: list[str], notes: Sequence[str] = ()) -> CheckReport:
    return CheckReport(
        rows=rows,
        columns=columns,
        sample_rows=found.rows_in,
        findings=list(found.findings.rejected(FINDINGS_SHOWN)),
        finding_counts=found.findings.counts,
        notes=list(notes),
    )


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
            f"Columns that the schema requires are missing: {shown}. The table has {named(columns)}.",
            errors=[{"column": name, "message": _absence(name, columns)} for name in missing],
        )


def _absence(name: str, columns: list[str]) -> str:
    near = nearest_name(name, columns)
    return "the column is missing" if near is None else f"the column is missing; did you mean {near!r}?"


def _mismatch(error: UpdateRefusedError) -> SchemaMismatchError:
    rejected = error.report.rejected[:FINDINGS_SHOWN] if error.report is not None else ()
    rows = [
        {"row": row.row, "column": row.column, "value": row.value, "message": row.message} for row in rejected
    ]
    return SchemaMismatchError("; ".join(error.problems), errors=rows)
