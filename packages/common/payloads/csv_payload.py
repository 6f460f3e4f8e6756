"""Reading CSV strictly and fast: every column as text, and the line of whatever is wrong.

The separator is a comma; a header without any comma may use semicolons or tabs instead. Blank lines are
skipped. An empty field is null, a quoted empty field is empty text.
"""

from __future__ import annotations

import csv
import io
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from packages.common.errors import EmptyPayloadError, PayloadError
from packages.common.payloads.likeness import likeness
from packages.common.wording import counted

BOM = b"\xef\xbb\xbf"
CURL_HINT = "With curl, send files by --data-binary: -d strips the line ends"
HEADER_HINT = "The first line must hold the names of the columns"
HEADER_BYTES = 2**20
MAX_COLUMNS = 10_000
"""Of a table: each costs about 50 µs whatever it holds, a header of a MiB could have half a million."""
csv.field_size_limit(2**31 - 1)  # the default of 128 KiB would refuse long geometries


def read_csv(data: bytes) -> pl.DataFrame:
    """The rows of a CSV text (UTF-8), every column as text, or `PayloadError` with the line at fault."""
    data = data.removeprefix(BOM)
    text = data.strip()
    if not text:
        raise EmptyPayloadError("the CSV is empty")
    _refuse_nul(data)
    if b"\n" not in text and b"\r" not in text:
        hint = likeness(text, CURL_HINT)
        raise EmptyPayloadError("the CSV is a single line: a header and no rows", line=1, hint=hint)
    separator = header_separator(data)
    header = header_names(data, separator)
    if b'"' in data:
        _check_strictly(data, separator)
    frame = _parse(data, separator, header)
    if frame.is_empty():
        raise EmptyPayloadError("the CSV has a header and no rows", hint=CURL_HINT)
    return frame


def _refuse_nul(data: bytes) -> None:
    position = data.find(b"\0")
    if position >= 0:
        line, column = place_of(data, position)
        hint = likeness(data, "It may be UTF-16 or a binary file")
        raise PayloadError("the CSV holds a NUL byte", line, column, hint)


def place_of(data: bytes, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of a byte."""
    before = data[:position]
    line = before.count(b"\n") + 1
    return line, position - before.rfind(b"\n")


def header_separator(data: bytes) -> str:
    """The mark between the fields of the header, which is that of the whole text."""
    header = next(iter(data[:HEADER_BYTES].lstrip().splitlines()), b"")
    if b"," in header:
        return ","
    return next((mark for mark in (";", "\t") if mark.encode() in header), ",")


def header_names(data: bytes, separator: str) -> list[str]:
    """The names in the first line of a text that has any; raises PayloadError."""
    try:
        text = getincrementaldecoder("utf-8")().decode(data[:HEADER_BYTES])
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error) from None
    try:
        names = next(row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row)
    except (csv.Error, StopIteration) as error:
        raise PayloadError(f"the CSV header cannot be read: {error}", line=1) from None
    if len(names) > MAX_COLUMNS:
        raise PayloadError(f"the CSV has {len(names)} columns; {MAX_COLUMNS} are allowed", line=1)
    if len(set(names)) < len(names):
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        raise PayloadError(f"the CSV header has the column {', '.join(map(repr, twice))} twice", line=1)
    return names


def _parse(data: bytes, separator: str, header: list[str]) -> pl.DataFrame:
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=b'"' in data),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        _refuse_bad_text(data)
        _check_strictly(data, separator)
        raise PayloadError(f"the CSV cannot be read: {error}") from None
    if table.column_names != header or any(kind != pa.string() for kind in table.schema.types):
        raise PayloadError("the CSV header cannot be read", line=1)
    frame = pl.DataFrame(table)
    frame.columns = header
    return frame


def _refuse_bad_text(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error) from None


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> PayloadError:
    hint = likeness(data, "Name the charset in the Content-Type, such as text/csv; charset=windows-1250")
    return PayloadError("the CSV is not UTF-8", *place_of(data, error.start), hint)


def _check_strictly(data: bytes, separator: str) -> None:
    """Raise `PayloadError` for the first record with a broken quote or another number of fields."""
    _refuse_bad_text(data)
    reader = csv.reader(_lines(data), delimiter=separator, strict=True)
    expected, line, records = None, 1, 0
    try:
        for record in reader:
            expected = len(record) if expected is None and record else expected
            if record and len(record) != expected:
                message = f"the row has {counted(len(record), 'field')}, the header has {expected}"
                raise PayloadError(message, line, hint=likeness(data, HEADER_HINT) if records == 1 else None)
            records += bool(record)
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise PayloadError("a quote is opened and never closed", line) from None
        raise PayloadError(f"the quotes of a field are broken: {error}", line) from None


def _lines(data: bytes) -> Iterator[str]:
    return iter(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
