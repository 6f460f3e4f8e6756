from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from zarr_fuse.incoming.frame import convert
from zarr_fuse.schema import deserialize

SCHEMA = deserialize(
    """
VARS:
  number: {unit: m, source_unit: ft, coords: [when, place], range: {interval: [-100, 100]}}
  count: {type: int32, coords: [when, place]}
  note: {type: "str[4]", coords: [when, place]}
  class: {type: "str[4]", coords: [when, place], range: {discrete: [a, b]}}
  place_x: {unit: km, coords: place}
  place_y: {unit: km, coords: place}
COORDS:
  when: {unit: {tick: s}, source_unit: {tick: s, tz: Europe/Prague}}
  place: {composed: [place_x, place_y]}
"""
).ds

INTEGERS = {
    name: deserialize(f"VARS: {{v: {{type: {name}, coords: x}}}}\nCOORDS: {{x: {{type: int64}}}}").ds
    for name in ("int8", "int32", "int64", "uint8", "uint32", "uint64")
}

number_text = st.one_of(
    st.none(),
    st.sampled_from(["", "nan", "x", " 5 ", "1e3", "1.5.2"]),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers().map(str),
)
time_text = st.one_of(
    st.none(),
    st.sampled_from(["NaT", "x", "12:30", "2024", "31.12.2024 5:00", "3 Jan 2024", "2024-03-31 02:30"]),
    st.datetimes().map(lambda value: value.isoformat(" ")),
)
row = st.fixed_dictionaries(
    {
        "number": number_text,
        "count": number_text,
        "note": st.one_of(
            st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
        ),
        "class": st.sampled_from(["a", "b", "c", "", None]),
        "place_x": number_text,
        "place_y": number_text,
        "when": time_text,
    }
)


def _frame(rows: list[dict[str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(SCHEMA.source_to_schema_name_map, pl.String))


@settings(max_examples=examples(60))
@given(rows=st.lists(row, max_size=30), seed=st.randoms(use_true_random=False))
def test_conversion_does_not_depend_on_the_order_of_rows(rows, seed):
    order = list(range(len(rows)))
    seed.shuffle(order)
    plain, shuffled = convert(_frame(rows), SCHEMA), convert(_frame([rows[place] for place in order]), SCHEMA)
    np.testing.assert_array_equal(plain.keep[order], shuffled.keep)
    for name, column in plain.columns.items():
        np.testing.assert_array_equal(column[order], shuffled.columns[name])
    assert plain.findings.counts == shuffled.findings.counts


@settings(max_examples=examples(60))
@given(rows=st.lists(row, min_size=1, max_size=30))
def test_polars_and_pandas_frames_convert_alike(rows):
    frame = _frame(rows)
    one, other = convert(frame, SCHEMA), convert(pd.DataFrame(frame.to_dict(as_series=False)), SCHEMA)
    np.testing.assert_array_equal(one.keep, other.keep)
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[name])
    assert one.findings.rejected() == other.findings.rejected()


@settings(max_examples=examples(60))
@given(rows=st.lists(row, max_size=30))
def test_a_cell_is_good_or_missing_or_found(rows):
    """No cell disappears without a word: NA where the source held text means a finding or a text for NA."""
    done = convert(_frame(rows), SCHEMA)
    told = {(found.row, found.column) for found in done.findings.rejected()}
    for name in ("number", "count", "when", "place_x", "place_y"):
        na = SCHEMA.VARS[name].storage_na if name in SCHEMA.VARS else SCHEMA.COORDS[name].storage_na
        stored = done.columns[name]
        empty = np.isnan(stored) if stored.dtype.kind == "f" else stored == na
        for place in np.flatnonzero(empty).tolist():
            text = rows[place][name]
            silent = text is None or text.strip().lower() in {"", "nan", "nat"} or text == str(na)
            assert silent or (place, name) in told


@settings(max_examples=examples(150))
@given(name=st.sampled_from(sorted(INTEGERS)), value=st.integers(-(2**66), 2**66), data=st.data())
def test_integers_survive_to_the_last_unit_or_are_reported(name, value, data):
    notation = data.draw(st.sampled_from(["{}", " {} ", "{}.0", "{}.", "{}e0", "{}00e-2", "0{}"]))
    text = notation.format(abs(value)) if "0{" in notation else notation.format(value)
    expected = abs(value) if "0{" in notation else value
    done = convert(pl.DataFrame({"x": [0], "v": [text]}), INTEGERS[name])
    limits = np.iinfo(name)
    stored = int(done.columns["v"][0])
    if limits.min <= expected <= limits.max:
        assert stored == expected
        assert not done.findings
    else:
        assert done.findings.counts == {"not_representable": 1}


@settings(max_examples=examples(100))
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_floats_survive_their_text(values):
    schema = deserialize("VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: int64}}").ds
    frame = pl.DataFrame(
        {"x": range(len(values)), "v": [repr(value) for value in values]}, schema_overrides={"v": pl.String}
    )
    np.testing.assert_array_equal(convert(frame, schema).columns["v"], np.array(values, dtype=np.float64))
