"""Columns of text are words and codes, so that long texts cost by their number of kinds, not of rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_fuse.merging.places import codes_of
from zarr_fuse.values.texts import Texts, comparable, distinct, filled, fixed_texts, joined

ROWS = 40_000
SCHEMA = """
n:
  VARS:
    x:     {unit: m, coords: [t, site]}
    owner: {unit: "", type: "str[128]", coords: site}
  COORDS:
    t:    {unit: {tick: s}, chunk_size: 1000}
    site: {unit: "", type: "str[128]", SORTED, chunk_size: 50}
"""
columns = st.lists(st.sampled_from(["", "a", "b", "ab", "ž"]), max_size=12)


def texts(rows):
    """The rows over words of which one stands there twice and one is never used."""
    words = np.array([*sorted(set(rows), reverse=True), "unused", *rows[:1]], dtype="<U6")
    codes = [words.tolist().index(row) for row in rows]
    if codes:
        codes[0] = len(words) - 1
    return Texts(words, np.array(codes, dtype=np.int32))


@given(columns, columns, st.data())
def test_texts_behave_like_the_array_they_stand_for(rows, others, data):
    column, plain = texts(rows), np.array(rows, dtype="<U6")
    assert (column.tolist(), list(column), len(column), column.dtype) == (rows, rows, len(rows), plain.dtype)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), dtype=bool)
    assert column[mask].tolist() == plain[mask].tolist()
    assert column[1:].tolist() == rows[1:]
    for one, other in zip(distinct(column), distinct(plain), strict=True):
        assert one.tolist() == other.tolist()
    assert np.array_equal(comparable(column)[1:] == comparable(column)[:-1], plain[1:] == plain[:-1])
    more = np.array(others, dtype="<U6")
    for parts in ([column, more], [more, column], [column, texts(others)]):
        together = joined(parts)
        assert isinstance(together, Texts)
        assert together.tolist() == [text for part in parts for text in part.tolist()]
    assert filled(column, mask, "none").tolist() == np.where(mask, plain, "none").tolist()
    if rows:
        assert codes_of([column])[0].tolist() == codes_of([plain])[0].tolist()


def test_cut_texts_that_have_become_equal_are_one_label():
    found = fixed_texts(pl.Series(["abcd", "abce", None]), 3)
    assert distinct(found.values[:2])[0].tolist() == ["abc"]
    assert found.too_long.tolist() == [True, True, False]
    assert found.missing.tolist() == [False, False, True]


@pytest.mark.parametrize("order", ["sorted: true", "sorted: false"])
def test_long_texts_of_a_coordinate_are_never_written_out_for_every_row(survey, order):
    node = survey.open(SCHEMA.replace("SORTED", order))["n"]
    names = pl.Series([f"{number:03d}" + "x" * 120 for number in range(50)])
    place = np.arange(ROWS) % 50
    frame = pl.DataFrame(
        {"t": np.arange(ROWS) // 50, "site": names[place], "owner": names[place], "x": np.ones(ROWS)}
    )
    node.update(frame[:100])
    tracemalloc.start()
    try:
        report = node.update(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.rows_merged == ROWS
    assert peak < ROWS * 128 * 4 / 2
    assert survey.dataset("n").owner.values.tolist() == names.to_list()
