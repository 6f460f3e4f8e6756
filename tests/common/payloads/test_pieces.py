from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common.errors import EmptyPayloadError, PayloadError, PayloadTooLargeError
from packages.common.payloads import csv_pieces
from packages.common.payloads import pieces as payload_pieces
from packages.common.payloads.csv_payload import read_csv
from packages.common.payloads.csv_pieces import CsvPieces
from tests.hypothesis_profiles import examples

PIECE = 20
TEXTS = st.lists(
    st.sampled_from(
        [
            *(b"a,b\n", b"1,2\n", b'"1\n2",3\n', b'4,5" x\n', b"\n", b'"q""",2\r\n', b"\r\n", b'9,"x,y"\n'),
            *(b"1\n", b"7,\xc3\xa9\n", b'a,"b\n', b"8,8", b'"', b",", b"x"),
        ]
    ),
    max_size=25,
)
BEGINS = st.sampled_from([b"", b"a,b\n", b'"a\nx",b\n', b"\xef\xbb\xbfa,b\n", b"a;b\n", b"\n\na,b\n"])


@pytest.fixture(autouse=True, scope="module")
def _small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_pieces, "PIECE_BYTES", PIECE)
        patch.setattr(payload_pieces, "PIECE_BYTES", PIECE)
        yield


def verdict(read):
    try:
        return [row for part in read() for row in (part.rows() if hasattr(part, "rows") else part)]
    except PayloadError as error:
        return type(error), error.message, error.line, error.column


def fed(pieces, data, step=7):
    for start in range(0, len(data), step):
        yield from pieces.feed(data[start : start + step])
    yield from pieces.finish()


@given(BEGINS, TEXTS, st.integers(1, 50))
@settings(max_examples=examples(150))
def test_csv_in_pieces_has_the_verdict_of_the_whole_with_the_same_place(begin, parts, step):
    text = begin + b"".join(parts)
    assert verdict(lambda: fed(CsvPieces(), text, step)) == verdict(lambda: [read_csv(text)])


@pytest.mark.parametrize(
    ("fault", "said"), [(b"x,\xff\n", "not UTF-8"), (b"\0,1\n", "NUL"), (b"1\n", "1 field")]
)
def test_a_fault_far_down_names_its_line(fault, said):
    text = b"a,b\n" + b'"1\n2",3\n' * 30 + fault + b"4,5\n" * 30
    found = verdict(lambda: fed(CsvPieces(), text))
    assert said in found[1]
    assert found == verdict(lambda: [read_csv(text)])
    assert found[2] == 62


def test_a_row_without_end_is_refused_and_not_held_for_ever(monkeypatch):
    monkeypatch.setattr(csv_pieces, "MAX_RECORD_BYTES", 1000)
    pieces = CsvPieces()
    list(pieces.feed(b'a\n1\n2\n3\n"'))
    with pytest.raises(PayloadError, match="longer than"):
        list(fed(pieces, b"endless\n" * 10_000, 80))
    assert pieces.held_bytes < 5000


def test_memory_holds_a_piece_and_not_the_text():
    pieces = CsvPieces()
    list(pieces.feed(b"a,b\n"))
    for _ in range(1000):
        list(pieces.feed(b"1,2\n3,4"))
        list(pieces.feed(b"5\n"))
        assert pieces.held_bytes < 3 * PIECE


def test_ndjson_in_pieces_names_the_line_of_the_whole():
    lines = [json.dumps({"a": number}).encode() for number in range(40)]
    good = b"\n".join(lines)
    ndjson = "application/x-ndjson"
    parts = list(fed(payload_pieces.payload_pieces(ndjson), good))
    assert len(parts) > 3
    assert [value["a"] for part in parts for value in part] == list(range(40))
    broken = good.replace(b'{"a": 33}', b'{"a": }')
    with pytest.raises(PayloadError) as caught:
        list(fed(payload_pieces.payload_pieces(ndjson), broken))
    assert caught.value.line == 34


def test_a_line_of_ndjson_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(payload_pieces, "MAX_LINE_BYTES", 1000)
    with pytest.raises(PayloadError, match="longer than") as caught:
        list(fed(payload_pieces.NdjsonPieces(), b"[1]\n" + b"[" * 2000))
    assert caught.value.line == 2


def test_json_is_read_whole_and_only_to_a_limit(monkeypatch):
    monkeypatch.setattr(payload_pieces, "WHOLE_BYTES", 100)
    text = json.dumps([{"a": 1}]).encode()
    assert list(fed(payload_pieces.payload_pieces("application/json"), text)) == [[{"a": 1}]]
    pieces = payload_pieces.payload_pieces("application/json")
    with pytest.raises(PayloadTooLargeError, match="application/x-ndjson") as caught:
        list(fed(pieces, b"[" + b"1," * 100))
    assert "100 bytes" in str(caught.value)
    assert "in parts" in str(caught.value)


@pytest.mark.parametrize("begin", [bytes(1000), b"<html>", b" \nNaN", b"\xef\xbb\xbfx"])
def test_what_cannot_be_json_ends_at_its_first_bytes(begin):
    pieces = payload_pieces.payload_pieces("application/json")
    with pytest.raises(PayloadError) as caught:
        pieces.feed(begin)
    assert caught.value.line is not None


@pytest.mark.parametrize("charset", ["windows-1250", "iso-8859-2", "utf-16", "utf-16-le"])
def test_a_declared_charset_holds_for_every_piece(charset):
    text = "místo,v\n" + "Počátky,1\nKdyně,2\n" * 20
    pieces = payload_pieces.payload_pieces(f"text/csv; charset={charset}")
    rows = [row for part in fed(pieces, text.encode(charset)) for row in part.rows()]
    assert rows == [("Počátky", "1"), ("Kdyně", "2")] * 20


def test_a_fault_in_a_charset_names_its_byte():
    text = ("a,b\n" + "1,2\n" * 20).encode("utf-16-le") + b"\x00\xd8"
    with pytest.raises(PayloadError, match=f"not utf-16-le at byte {len(text) - 2}"):
        list(fed(payload_pieces.payload_pieces("text/csv; charset=utf-16-le"), text))


def test_nothing_at_all_is_an_empty_payload():
    for kind in ("text/csv", "application/json", "application/x-ndjson"):
        with pytest.raises(EmptyPayloadError):
            list(fed(payload_pieces.payload_pieces(kind), b""))
