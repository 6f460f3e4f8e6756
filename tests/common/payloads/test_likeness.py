from __future__ import annotations

import gzip

import pytest

from packages.common.errors import PayloadError
from packages.common.payloads.csv_pieces import PIECE_BYTES, CsvPieces
from packages.common.payloads.likeness import likeness
from packages.common.validation import decode_payload

TABLE = b"time,level\n2026-11-20,1.5\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (TABLE.decode().encode("utf-16"), "UTF-16: name the charset in the Content-Type (charset=utf-16)"),
        (gzip.compress(TABLE, mtime=0), "gzip: say so (Content-Encoding: gzip)"),
        (b"PK\x03\x04\x14\x00\x00\x00", "a workbook: save the sheet as CSV"),
        (b"<html><p>Sign in</p></html>", "HTML"),
        (b'[{"time": "2026-11-20", "level": 1.5}]', "JSON: say so (application/json)"),
        (b'[\n{"time": "2026-11-20",\n"level": 1.5}]', "JSON"),
        (b"Station 7\n" + TABLE, "The first line must hold the names of the columns"),
        (b"sep=;\r\ntime;level;state\r\n1;2;3\r\n", "The first line must hold the names of the columns"),
    ],
)
def test_what_a_body_looks_like_that_is_no_csv_is_said(body, said):
    with pytest.raises(PayloadError) as caught:
        decode_payload(body, "text/csv")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": 1}\n{"a": 2}\n', "One value a line is application/x-ndjson"),
        ('[{"a": 1}]'.encode("utf-16"), "UTF-16"),
    ],
)
def test_what_a_body_looks_like_that_is_no_json_is_said(body, said):
    with pytest.raises(PayloadError, match=said):
        decode_payload(body, "application/json")


def test_nothing_is_said_of_a_table():
    assert likeness(TABLE) == ""
    assert likeness(b"", "nothing") == "nothing"


def test_a_row_far_below_the_header_is_not_taken_for_the_first():
    rows = b"2026-11-20,1.5\n" * (PIECE_BYTES // 15 + 1)
    pieces = CsvPieces()
    list(pieces.feed(b"time,level\n" + rows))
    list(pieces.feed(b"1,2,3\n"))
    with pytest.raises(PayloadError, match="the row has 3 fields, the header has 2") as caught:
        list(pieces.finish())
    assert (caught.value.hint, caught.value.line) == (None, rows.count(b"\n") + 2)
