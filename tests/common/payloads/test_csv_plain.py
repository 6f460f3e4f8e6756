from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packages.common.errors import PayloadError
from packages.common.payloads.csv_payload import BOM, read_csv
from packages.common.payloads.csv_plain import PlainCsv, plain_csv
from tests.hypothesis_profiles import examples

FIELDS = st.sampled_from(["", "1", "a", " ", "é", "\u2028", "\x0b", "\x1c", "\x85", "\\", "'", "NA", "#"])
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
BEGINS = st.sampled_from([b"", b"", BOM, BOM + BOM, b"\n", b" \n", b"\0", b"\xff"])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Tables, most of them with rows of equal length."""
    mark, end = draw(st.sampled_from([",", ",", ";", "\t"])), draw(LINE_ENDS)
    width = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(FIELDS, min_size=width, max_size=width), max_size=4))
    rows += draw(st.lists(st.lists(FIELDS, max_size=4), max_size=1))
    text = end.join(mark.join(row) for row in rows) + draw(st.sampled_from(["", end, '"']))
    return draw(BEGINS) + text.encode()


@given(texts())
@settings(max_examples=examples(300))
@example(BOM + BOM + b"\na")
@example(b" \na")
def test_what_is_plain_is_what_the_reader_makes_of_it(text: bytes) -> None:
    found, judged = verdict(plain_csv, text), verdict(read_csv, text)
    if isinstance(found, PlainCsv):
        assert isinstance(judged, pl.DataFrame)
        assert (list(found.columns), found.rows) == (judged.columns, judged.height)
        assert found.frame().equals(judged)
    elif found is not None:
        assert found == judged


def verdict(read: Callable[[bytes], Any], text: bytes) -> Any:
    try:
        return read(text)
    except PayloadError as error:
        return type(error), error.message, error.line


@pytest.mark.parametrize("text", [b"a,b\n1,2\n3,4\n", BOM + b"a;b\r\n1;2\r\n3;4", b"\na\tb\n1\t2\n\n3\t4"])
def test_an_ordinary_table_is_plain(text: bytes) -> None:
    assert plain_csv(text) == PlainCsv(text, ("a", "b"), 2)


@pytest.mark.parametrize("text", [b'a,b\n1,"2"\n', b"a,b\n1\n", b"a\n\xff\n", b"a\0\n1\n", b"a,b\n", b""])
def test_what_may_be_wrong_is_left_to_the_reader(text: bytes) -> None:
    assert plain_csv(text) is None
