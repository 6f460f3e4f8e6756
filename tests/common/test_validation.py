from __future__ import annotations

import contextlib
import csv
import io
import json
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packages.common.content_types import FILE_SUFFIXES, UPLOAD_TYPES, canonical_type
from packages.common.errors import EmptyPayloadError, PayloadError, UnsupportedTypeError
from packages.common.payloads import json_payload
from packages.common.validation import decode_payload, frame_from_json

CSV, JSON, NDJSON = "text/csv", "application/json", "application/x-ndjson"


def rows(data: bytes, content_type: str = CSV) -> list[dict]:
    return decode_payload(data, content_type).to_dicts()


def problem(data: bytes, content_type: str = CSV) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        decode_payload(data, content_type)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a,b\r\n1,2\r\n\r\n3,4", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"\n\na,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a,b\r1,2\r", [{"a": "1", "b": "2"}]),
        (b'a,b\n,""\n', [{"a": None, "b": ""}]),
        (b'a,b\n"x""y","1\n2"\n', [{"a": 'x"y', "b": "1\n2"}]),
        (b'"a\nx",b\n1,2\n', [{"a\nx": "1", "b": "2"}]),
        (b',b\n0,"2"\n', [{"": "0", "b": "2"}]),
        (b"a;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
        (b"a\tb\n1,5\t2\n", [{"a": "1,5", "b": "2"}]),
        (b"a,b;c\n1,2\n", [{"a": "1", "b;c": "2"}]),
        (b"a\n1\n2\n", [{"a": "1"}, {"a": "2"}]),
        (b"a,b\n5' 3\",x\n", [{"a": "5' 3\"", "b": "x"}]),
    ],
)
def test_csv_is_read_as_text(text, expected):
    assert rows(text) == expected


def test_csv_keeps_every_digit_and_guesses_no_dates():
    values = ["0.1234567890123456789", "9007199254740993", "007", "2026-11-20", "true", "NaN", "1e5"]
    frame = decode_payload(("v\n" + "\n".join(values)).encode(), CSV)
    assert frame.schema == {"v": pl.String}
    assert frame["v"].to_list() == values


@pytest.mark.parametrize(
    ("text", "said", "line", "column"),
    [
        (b"a,b\n1,2\n3\n4,5\n", "1 field, the header has 2", 3, None),
        (b"a,b\n1,2\n3,4,5\n", "3 fields, the header has 2", 3, None),
        (b"a,b\n1,2\n\n\n3\n", "1 field", 5, None),
        (b'a,b\n"1\n2",3\n4\n', "1 field", 4, None),
        (b'a,b\n1,2\n"3,4\n5,6\n', "never closed", 3, None),
        (b'a,b\n1,"2\n3,4\n', "never closed", 2, None),
        (b'a\n1\n"2\n3\n', "never closed", 3, None),
        (b'a,b\n1,"2"x\n', "quotes of a field are broken", 2, None),
        (b'a,b\n1,"2\n3,"4\n', "quotes of a field are broken", 2, None),
        (b"a,b\n1,2\nx,\xff\n", "not UTF-8", 3, 3),
        (b"a,b\n1,2\n\x00,3\n", "NUL", 3, 1),
        (b"a,b,a\n1,2,3\n", "'a' twice", 1, None),
    ],
)
def test_csv_faults_name_their_line(text, said, line, column):
    error = problem(text)
    assert said in error.message
    assert (error.line, error.column) == (line, column)
    assert f"line {line}" in str(error)


@pytest.mark.parametrize("text", [b"", b"\n", b"  \r\n ", b"\xef\xbb\xbf"])
def test_empty_csv(text):
    assert isinstance(problem(text), EmptyPayloadError)


@pytest.mark.parametrize("text", [b"a,b\n", b"a,b", b"a,b\r\n\r\n", b"time,v2026-11-20,1.02026-11-21,1.0"])
def test_header_without_rows_recalls_what_curl_does(text):
    error = problem(text)
    assert isinstance(error, EmptyPayloadError)
    assert "--data-binary" in str(error)


@pytest.mark.parametrize("charset", ["windows-1250", "iso-8859-2", "UTF-16"])
def test_csv_in_a_declared_charset(charset):
    text = "místo,v\nPočátky,1\n"
    assert rows(text.encode(charset), f"text/csv; charset={charset}") == [{"místo": "Počátky", "v": "1"}]


def test_wrong_and_unknown_charsets():
    assert "not utf-16" in problem(b"a", "text/csv; charset=utf-16").message
    for charset in ("none-such", "rot13", "hex"):
        with pytest.raises(UnsupportedTypeError, match=charset):
            decode_payload(b"a,b\n1,2\n", f"text/csv; charset={charset}")


fields = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=6)


@given(st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=6))
def test_any_table_that_csv_can_hold_comes_back(table):
    sink = io.StringIO()
    writer = csv.writer(sink, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b", "c"), *table])
    frame = decode_payload(sink.getvalue().encode(), CSV)
    assert frame.rows() == table


@given(st.binary(max_size=60))
def test_any_bytes_are_a_frame_or_a_payload_error(data):
    for content_type in (CSV, JSON, NDJSON, "application/vnd.apache.parquet", "application/x-grib"):
        with contextlib.suppress(PayloadError):
            decode_payload(data, content_type)


@given(st.text('ab,;"\n\r1 ', max_size=30))
def test_what_is_accepted_agrees_with_a_strict_reader(text):
    try:
        frame = decode_payload(text.encode(), CSV)
    except PayloadError:
        return
    header = text.lstrip().splitlines()[0]
    separator = ";" if ";" in header and "," not in header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    expected = [row for row in reader if row]
    assert [frame.columns, *[[field or "" for field in row] for row in frame.rows()]] == expected


def test_long_fields_are_fine():
    polygon = "POLYGON((" + "1 2, " * 60_000 + "))"
    assert rows(f'a,b\n1,"{polygon}"\n'.encode())[0]["b"] == polygon


def test_a_million_rows_take_about_a_second():
    line = b"2026-11-20T08:15:00,gauge %d,%d.5\n"
    data = b"time,site,value\n" + b"".join(line % (number % 20, number) for number in range(1_000_000))
    started_s = time.process_time()
    assert decode_payload(data, CSV).height == 1_000_000
    assert time.process_time() - started_s < 10
    assert problem(data + b"1,2\n").line == 1_000_002


@pytest.mark.parametrize(
    ("text", "value"),
    [(b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}), (b"\xef\xbb\xbf[]", []), (b" 7 ", 7), (b'"x"', "x"),
     (b'{"a": "NaN ]]]"}', {"a": "NaN ]]]"}), (b"1e300", 1e300), (b'"\\ud83d\\ude00"', "\U0001f600")],
)  # fmt: skip
def test_json_values(text, value):
    assert decode_payload(text, JSON) == value


@pytest.mark.parametrize(
    ("text", "said", "line", "column"),
    [
        (b'{"a": 1,\n "b": }', "broken", 2, 7),
        (b"[1, 2", "broken", 1, 6),
        (b"[1]\n[2]", "broken: Extra data", 2, 1),
        (b'{"a": NaN}', "NaN", 1, 7),
        (b'{"a": "NaN",\n"b": [-Infinity]}', "-Infinity", 2, 7),
        (b'["Infinity", 1e999]', "1e999", 1, 14),
        (b'["\xff"]', "not UTF-8", 1, 3),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice", None, None),
        (b'["\\ud800"]', "surrogate", None, None),
        (b"[" + b"9" * 5000 + b"]", "number", None, None),
    ],
)
def test_json_faults_name_their_place(text, said, line, column):
    error = problem(text, JSON)
    assert said in error.message
    assert (error.line, error.column) == (line, column)


@pytest.mark.parametrize("text", [b"", b"  \n"])
def test_empty_json(text):
    for content_type in (JSON, NDJSON):
        assert isinstance(problem(text, content_type), EmptyPayloadError)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b'["]]]]",' * 100_000,
        b'["}",{"]":' * 900,
    ],
)
def test_deep_json_is_refused_without_recursion(text):
    assert "deeper" in problem(text, JSON).message


def test_brackets_in_strings_are_not_depth():
    assert decode_payload(b'["' + b"[{" * 100_000 + b'"]', JSON) == ["[{" * 100_000]
    assert decode_payload(b'["\\"' + b"[" * 1000 + b'"]', JSON) == ['"' + "[" * 1000]


@given(st.recursive(st.text('[]{}"\\', max_size=3), lambda inner: st.lists(inner, max_size=2), max_leaves=6))
def test_depth_is_counted_outside_of_strings(value):
    def depth(part):
        return 1 + max(map(depth, part), default=0) if isinstance(part, list) else 0

    assert json_payload._depth(json.dumps(value).encode()) == depth(value)


def test_ndjson_has_a_value_a_line():
    assert decode_payload(b'{"a": 1}\r\n\n{"a": 2}\n', NDJSON) == [{"a": 1}, {"a": 2}]
    error = problem(b'{"a": 1}\n{"a": }\n', NDJSON)
    assert (error.line, error.column) == (2, 7)


def test_parquet_keeps_its_types():
    sink = io.BytesIO()
    frame = pl.DataFrame({"a": [1, 2], "b": [0.5, None]})
    frame.write_parquet(sink)
    assert decode_payload(sink.getvalue(), "application/vnd.apache.parquet").equals(frame)
    problem(sink.getvalue()[:-10], "application/vnd.apache.parquet")
    problem(b"PAR1", "application/vnd.apache.parquet")
    empty = io.BytesIO()
    frame.clear().write_parquet(empty)
    assert isinstance(problem(empty.getvalue(), "application/vnd.apache.parquet"), EmptyPayloadError)


@pytest.mark.parametrize(
    ("content_type", "data"),
    [("application/x-netcdf", b"CDF\x01rest"), ("application/x-netcdf", b"\x89HDF\r\n\x1a\nrest"),
     ("application/x-hdf5", b"\x89HDF\r\n\x1a\nrest"), ("application/x-grib", b"GRIBrest"),
     ("application/x-tar", b"\0" * 257 + b"ustar\x0000")],
)  # fmt: skip
def test_binary_types_are_known_by_how_they_begin(content_type, data):
    assert decode_payload(data, content_type) == data
    assert "does not begin" in problem(b"a,b\n1,2\n", content_type).message


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/octet-stream", "text/csvx"])
def test_other_types_are_refused_and_the_supported_named(content_type):
    with pytest.raises(UnsupportedTypeError, match="text/csv"):
        decode_payload(b"a", content_type)


def test_aliases_have_one_canonical_name():
    assert canonical_type("Application/NDJSON; charset=utf-8") == NDJSON
    assert set(FILE_SUFFIXES.values()) <= {*UPLOAD_TYPES, "application/x-tar"}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ([{"a": 1}, {"a": 2}], {"a": pl.Int64}, [(1,), (2,)]),
        ([{"a": 1, "b": "x"}, {"b": None, "c": True}], {"a": pl.Int64, "b": pl.String, "c": pl.Boolean},
         [(1, "x", None), (None, None, True)]),
        ([{"a": 1}, {"a": 2.5}], {"a": pl.Float64}, [(1.0,), (2.5,)]),
        ([{"a": 1}, {"a": "2.50"}], {"a": pl.String}, [("1",), ("2.50",)]),
        ([{"a": True}, {"a": "x"}], {"a": pl.String}, [("true",), ("x",)]),
        ([{"a": 2**64 - 1}], {"a": pl.String}, [("18446744073709551615",)]),
        ([{"a": 2**53 + 1}, {"a": 0.5}], {"a": pl.String}, [("9007199254740993",), ("0.5",)]),
        ([{"a": 1e30}], {"a": pl.Float64}, [(1e30,)]),
        ({"a": [1, 2], "b": ["x", None]}, {"a": pl.Int64, "b": pl.String}, [(1, "x"), (2, None)]),
        ({"a": 1, "b": "x"}, {"a": pl.Int64, "b": pl.String}, [(1, "x")]),
        ([{"a": None}], {"a": pl.String}, [(None,)]),
    ],
)  # fmt: skip
def test_tables_in_json(value, schema, expected):
    frame = frame_from_json(value)
    assert frame.schema == schema
    assert frame.rows() == expected


@pytest.mark.parametrize("value", [[], {}, [{}], {"a": []}])
def test_tables_without_rows(value):
    with pytest.raises(EmptyPayloadError):
        frame_from_json(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [(7, "no table"), ("x", "no table"), (None, "no table"), ([1], "row 0"), ([{"a": 1}, 2], "row 1"),
     ([{"a": 1}, {"a": [2]}], "row 1, column 'a' holds a list"), ({"a": {"b": 1}}, "holds a nested object"),
     ({"a": [1, 2], "b": [1]}, "differ in length"), ({"a": [[1]]}, "holds a list")],
)  # fmt: skip
def test_json_that_is_no_table_says_why(value, said):
    with pytest.raises(PayloadError, match=said):
        frame_from_json(value)


@pytest.mark.parametrize(
    ("value", "row", "name"),
    [([{"a": 1}, 2], 8, None), ([{"a": 1}, {"a": [2]}], 8, "a"), (7, None, None)],
)
def test_the_row_and_column_at_fault_are_facts_of_the_error(value, row, name):
    with pytest.raises(PayloadError) as raised:
        frame_from_json(value, first_row=7)
    assert (raised.value.row, raised.value.name) == (row, name)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), scalars, min_size=1), min_size=1, max_size=5))
def test_flat_records_keep_every_value(records):
    text = json.dumps(records, ensure_ascii=True).encode()
    try:
        frame = frame_from_json(decode_payload(text, JSON))
    except PayloadError as error:
        assert "surrogate" in error.message  # noqa: PT017
        return
    for name in frame.columns:
        for record, stored in zip(records, frame[name].to_list(), strict=True):
            value = record.get(name)
            assert stored == value or (stored is not None and str(stored).lower() == str(value).lower())
