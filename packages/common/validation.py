"""Turning payloads into frames or JSON values, and saying what is wrong where that fails."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl

from packages.common.content_types import EXTENSIONS, canonical_type, charset_of
from packages.common.errors import EmptyPayloadError, PayloadError, UnsupportedTypeError
from packages.common.payloads.csv_payload import MAX_COLUMNS, read_csv
from packages.common.payloads.json_payload import Json, read_json, read_ndjson

Decoded: TypeAlias = pl.DataFrame | Json | bytes
"""A frame (CSV, Parquet), a JSON value, or the bytes of a format that only an extractor function reads."""

HDF5 = b"\x89HDF\r\n\x1a\n"
SIGNATURES: Mapping[str, tuple[int, tuple[bytes, ...]]] = {
    "application/x-netcdf": (0, (b"CDF\x01", b"CDF\x02", b"CDF\x05", HDF5)),
    "application/x-hdf5": (0, (HDF5,)),
    "application/x-grib": (0, (b"GRIB", b"BZh")),
    "application/x-tar": (257, (b"ustar",)),
}
UTF8 = frozenset({None, "utf-8", "utf8", "us-ascii", "ascii"})
NESTED_HINT = "A payload of this shape needs an extractor function (fn_module, extract_fn)"


def decode_payload(data: bytes, content_type: str) -> Decoded:
    """What a payload holds: CSV with every column as text, Parquet as it is, JSON as its value.

    Raises `PayloadError` (`EmptyPayloadError` for nothing at all) with line and column where they are known,
    `UnsupportedTypeError` for a type the product does not take.
    """
    kind = canonical_type(content_type)
    if kind not in EXTENSIONS:
        supported = ", ".join(EXTENSIONS)
        raise UnsupportedTypeError(f"Unsupported Content-Type: {kind}; supported are {supported}")
    if not data:
        raise EmptyPayloadError("the payload is empty")
    match kind:
        case "text/csv":
            return read_csv(_as_utf8(data, content_type))
        case "application/json":
            return read_json(_as_utf8(data, content_type))
        case "application/x-ndjson":
            return read_ndjson(_as_utf8(data, content_type))
        case "application/vnd.apache.parquet":
            return _read_parquet(data)
    _check_signature(data, kind)
    return data


def _as_utf8(data: bytes, content_type: str) -> bytes:
    charset = charset_of(content_type)
    if charset in UTF8:
        return data
    try:
        return data.decode(charset or "utf-8").encode()
    except LookupError:
        raise UnsupportedTypeError(f"Unsupported charset: {charset}") from None
    except UnicodeDecodeError as error:
        raise PayloadError(f"the payload is not {charset} at byte {error.start}") from None


def _read_parquet(data: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise PayloadError(f"the Parquet file cannot be read: {str(error).partition(chr(10))[0]}") from None
    if frame.is_empty():
        raise EmptyPayloadError("the Parquet file has no rows")
    return frame


def _check_signature(data: bytes, kind: str) -> None:
    offset, signatures = SIGNATURES[kind]
    if not data[offset : offset + 8].startswith(signatures):
        raise PayloadError(f"the payload does not begin like {kind}")


def frame_from_json(value: Json, first_row: int = 0) -> pl.DataFrame:
    """The table in a JSON value: a list of flat records, one flat record, or lists of equal length by column.

    A key that a record lacks is null. A column of numbers or booleans keeps its type; one that mixes text
    with others, or integers that its type would round, is text. Raises `PayloadError` for anything else, with
    the number of the row, counted from `first_row`.
    """
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        columns = value
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise PayloadError(f"the columns of the JSON differ in length: {lengths}")
    else:
        columns = _columns([value] if isinstance(value, dict) else value, first_row)
    if len(columns) > MAX_COLUMNS:
        raise PayloadError(
            f"the JSON has {len(columns)} columns; {MAX_COLUMNS} are allowed", hint=NESTED_HINT
        )
    if not columns or not next(iter(columns.values())):
        raise EmptyPayloadError("the JSON holds no rows")
    return pl.DataFrame([_series(name, column, first_row) for name, column in columns.items()])


def _columns(records: Json, first_row: int) -> dict[str, list[Any]]:
    if not isinstance(records, list):
        raise PayloadError("the JSON is no table: neither records nor columns", hint=NESTED_HINT)
    for row, record in enumerate(records, first_row):
        if not isinstance(record, dict):
            raise PayloadError(f"row {row} of the JSON is no record", hint=NESTED_HINT, row=row)
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _series(name: str, values: Sequence[Any], first_row: int) -> pl.Series:
    for row, value in enumerate(values, first_row):
        if isinstance(value, list | dict):
            message = f"row {row}, column {name!r} holds a {_shape(value)}"
            raise PayloadError(message, hint=NESTED_HINT, row=row, name=name)
    kinds = {type(value) for value in values if value is not None}
    limit = 2**53 if float in kinds else 2**63
    if kinds <= {bool} or (kinds <= {int, float} and _fits(values, limit)):
        return pl.Series(name, values, dtype=_dtype(kinds))
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _shape(value: list[Any] | dict[str, Any]) -> str:
    return "list" if isinstance(value, list) else "nested object"


def _fits(values: Sequence[Any], limit: int) -> bool:
    return all(-limit <= value < limit for value in values if isinstance(value, int))


def _dtype(kinds: set[type]) -> pl.DataType | type[pl.DataType]:
    if kinds == {bool}:
        return pl.Boolean
    if not kinds:
        return pl.String
    return pl.Int64 if kinds == {int} else pl.Float64


def _text(value: str | float | bool | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else repr(value)
