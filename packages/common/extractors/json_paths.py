"""Tables from JSON of plain shapes, by paths (RFC 9535) that the configuration names: no code needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import polars as pl
from jsonpath import JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.path import JSONPath
from jsonpath.selectors import IndexSelector, NameSelector

from packages.common.errors import EmptyPayloadError, PayloadError
from packages.common.payloads.json_payload import Json
from packages.common.validation import decode_payload, frame_from_json
from packages.common.wording import counted

ENVIRONMENT = JSONPathEnvironment(strict=True)
NO_VALUE: Any = object()
Columns = dict[str, list[Any]]


@lru_cache(maxsize=1024)
def compiled(path: str) -> JSONPath:
    """A path in its usable form, or `ValueError` that says where it is wrong."""
    try:
        query = ENVIRONMENT.compile(path)
    except (JSONPathError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path!r} is no JSON path such as $.data[*]: {reason}") from None
    if not isinstance(query, JSONPath):
        raise ValueError(f"{path!r} is more than one JSON path")  # noqa: TRY004 - as for any other wrong path
    return query


def extracted(
    payload: bytes,
    content_type: str,
    *,
    rows: str | None,
    columns: Mapping[str, str],
    document: Mapping[str, str],
    dataframe: Mapping[str, str],
    dataframe_row: Mapping[str, Any] | None,
) -> pl.DataFrame:
    """The table that paths find in a JSON payload.

    Args:
        rows: finds the rows; None means that each path of `columns` finds a whole column.
        columns: from the row, or without `rows` from the document.
        document: from the document, one value for all rows.
        dataframe: columns of `dataframe_row`, the row of locations that a scrape was made for.

    Raises:
        PayloadError: the payload is no JSON, or does not have this shape; says which column and row.
    """
    value = decode_payload(payload, content_type)
    if isinstance(value, pl.DataFrame | bytes):
        raise PayloadError(f"paths of `extract` read JSON, and this payload is {content_type}")
    found = _whole_columns(value, columns) if rows is None else _row_by_row(value, rows, columns)
    height = max(map(len, found.values()), default=0)
    for column, path in document.items():
        found[column] = [_one(compiled(path), value, column)] * height
    for column, name in dataframe.items():
        if dataframe_row is None or name not in dataframe_row:
            message = f"column {column!r}: the item has no locations row with a {name!r}"
            raise PayloadError(message, name=column)
        found[column] = [dataframe_row[name]] * height
    return frame_from_json(found)


def _row_by_row(value: Json, rows: str, columns: Mapping[str, str]) -> Columns:
    records = _found(compiled(rows), value)
    if not records:
        raise EmptyPayloadError(f"the rows path {rows} finds nothing in the JSON")
    return {name: _column(name, compiled(path), records) for name, path in columns.items()}


def _column(name: str, path: JSONPath, records: list[Any]) -> list[Any]:
    keys = _keys(path)
    if keys is not None:
        values = [_followed(record, keys) for record in records]
    else:
        values = [_single(path, record, name, row) for row, record in enumerate(records)]
    if all(value is NO_VALUE for value in values):
        message = f"column {name!r}: the path {path} finds nothing in any of {counted(len(records), 'row')}"
        raise PayloadError(message, name=name)
    return [None if value is NO_VALUE else value for value in values]


def _whole_columns(value: Json, columns: Mapping[str, str]) -> Columns:
    found = {name: _found(compiled(path), value) for name, path in columns.items()}
    empty = next((name for name, values in found.items() if not values), None)
    if empty is not None:
        message = f"column {empty!r}: the path {columns[empty]} finds nothing in the JSON"
        raise PayloadError(message, name=empty)
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        raise PayloadError(f"the columns of the JSON differ in length: {lengths}")
    return found


def _one(path: JSONPath, value: Json, column: str) -> Any:  # noqa: ANN401 - a JSON value
    found = _single(path, value, column)
    if found is NO_VALUE:
        raise PayloadError(f"column {column!r}: the path {path} finds nothing in the JSON", name=column)
    return found


def _single(path: JSONPath, value: Json, column: str, row: int | None = None) -> Any:  # noqa: ANN401
    found = _found(path, value)
    if len(found) > 1:
        place = f"column {column!r}" if row is None else f"row {row}, column {column!r}"
        message = f"{place}: the path {path} finds {len(found)} values, and a cell takes one"
        raise PayloadError(message, row=row, name=column)
    return found[0] if found else NO_VALUE


def _found(path: JSONPath, value: Json) -> list[Any]:
    """All that the path selects. A text is a value here; the library would read it as JSON once more."""
    if isinstance(value, str):
        return [] if path.segments else [value]
    return path.findall(value)


def _keys(path: JSONPath) -> list[str | int] | None:
    """The keys and indices of a path that can find one value only; following them is twenty times faster."""
    if not path.singular_query():
        return None
    selectors = [selector for segment in path.segments for selector in segment.selectors]
    keys: list[str | int] = []
    for selector in selectors:
        if isinstance(selector, NameSelector):
            keys.append(selector.name)
        elif isinstance(selector, IndexSelector):
            keys.append(selector.index)
        else:
            return None
    return keys


def _followed(value: Any, keys: list[Any]) -> Any:  # noqa: ANN401 - JSON values
    for key in keys:
        if isinstance(value, dict if isinstance(key, str) else list):
            try:
                value = value[key]
            except LookupError:
                return NO_VALUE
        else:
            return NO_VALUE
    return value
