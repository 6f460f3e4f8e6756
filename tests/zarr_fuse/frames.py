"""Short ways to convert one column, and to what was found in it."""

from __future__ import annotations

import polars as pl

from zarr_fuse.incoming.frame import Converted, convert
from zarr_fuse.schema import DatasetSchema, deserialize

FLOAT = "{unit: '', coords: x}"
I8_NA, I64_NA, U64_NA = -128, -(2**63), 2**64 - 1


def dataset(text: str) -> DatasetSchema:
    return deserialize(text).ds


def one(document: str, column: object, **options: str) -> Converted:
    """A variable `v` over the coordinate `x` (0, 1, …), converted from one column."""
    schema = dataset(f"VARS: {{v: {document}}}\nCOORDS: {{x: {{type: int64, unit: ''}}}}")
    values = column if isinstance(column, pl.Series) else pl.Series("v", column, strict=False)
    return convert(pl.DataFrame({"x": range(len(values)), "v": values}), schema, **options)


def found(converted: Converted) -> list[tuple[int | None, str | None, str, str | None]]:
    return [(f.row, f.column, f.kind, f.value) for f in converted.findings.rejected()]


def kinds(converted: Converted) -> list[tuple[int | None, str]]:
    return [(f.row, f.kind) for f in converted.findings.rejected()]
