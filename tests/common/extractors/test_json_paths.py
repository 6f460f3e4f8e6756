from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import ValidationError

from packages.common.errors import PayloadError
from packages.common.extractors.json_paths import NO_VALUE, _followed, _found, _keys, compiled
from packages.common.models.treatment_model import Extraction
from tests.hypothesis_profiles import examples

LOGGER = {
    "station": {"name": "peak"},
    "data": [
        {"t": "2026-11-20T08:00Z", "values": {"temp": 1.5}, "channels": [3, 4]},
        {"t": "2026-11-20T08:10Z", "values": {}},
    ],
}
FORECAST = {"place": "valley", "hourly": {"time": [1, 2, 3], "temp": [0.5, None, 1.5]}}


def table(payload: object, /, **extraction: object):
    row = extraction.pop("dataframe_row", None)
    return Extraction.model_validate(extraction).frame(json.dumps(payload).encode(), "application/json", row)


def test_rows_and_columns_are_found_by_paths() -> None:
    frame = table(
        LOGGER,
        rows="$.data[*]",
        columns={"time": "$.t", "temp": "$.values.temp", "second": "$.channels[1]", "last": "$.channels[-1]"},
        document={"place": "$.station.name"},
    )
    assert frame.to_dicts() == [
        {"time": "2026-11-20T08:00Z", "temp": 1.5, "second": 4, "last": 4, "place": "peak"},
        {"time": "2026-11-20T08:10Z", "temp": None, "second": None, "last": None, "place": "peak"},
    ]


def test_paths_that_may_find_more_than_one_value_are_followed_too() -> None:
    frame = table(LOGGER, rows="$.data[*]", columns={"big": "$.channels[?@ > 3]", "time": "$.t"})
    assert frame["big"].to_list() == [4, None]


def test_whole_columns_are_found_side_by_side() -> None:
    columns = {"time": "$.hourly.time[*]", "temp": "$.hourly.temp[*]"}
    frame = table(FORECAST, columns=columns, document={"place": "$.place"})
    assert frame.rows() == [(1, 0.5, "valley"), (2, None, "valley"), (3, 1.5, "valley")]


def test_locations_row_of_a_scrape_fills_columns() -> None:
    frame = table(
        LOGGER,
        rows="$.data[*]",
        columns={"time": "$.t"},
        dataframe={"place": "name"},
        dataframe_row={"name": "hill"},
    )
    assert frame["place"].to_list() == ["hill", "hill"]


@pytest.mark.parametrize(
    ("extraction", "reason"),
    [
        ({"rows": "$.dta[*]", "columns": {"t": "$.t"}}, r"the rows path \$.dta\[\*\] finds nothing"),
        (
            {"rows": "$.data[*]", "columns": {"t": "$.time"}},
            r"column 't': the path \$\['time'\] finds nothing in any of 2 rows",
        ),
        ({"rows": "$.data[*]", "columns": {"v": "$.values"}}, "row 0, column 'v' holds a nested object"),
        (
            {"rows": "$.data[*]", "columns": {"c": "$.channels[*]"}},
            r"row 0, column 'c': the path \$\['channels'\]\[\*\] finds 2 values, and a cell takes one",
        ),
        (
            {"rows": "$.data[*]", "columns": {"t": "$.t"}, "document": {"p": "$.nowhere"}},
            r"column 'p': the path \$\['nowhere'\] finds nothing in the JSON",
        ),
        ({"rows": "$.data[*]", "columns": {"t": "$.t"}, "dataframe": {"p": "name"}}, "no locations row"),
        (
            {"columns": {"t": "$.data[*].t", "v": "$.data[*].values.temp"}},
            "differ in length: {'t': 2, 'v': 1}",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_column_and_row(extraction: dict[str, object], reason: str) -> None:
    with pytest.raises(PayloadError, match=reason) as raised:
        table(LOGGER, **extraction)
    assert ("column '" in str(raised.value)) == (raised.value.name is not None)
    assert ("row 0, " in str(raised.value)) == (raised.value.row == 0)


def test_payload_that_is_no_json_says_so() -> None:
    extraction = Extraction(rows="$[*]", columns={"t": "$.t"})
    with pytest.raises(PayloadError, match="read JSON, and this payload is text/csv"):
        extraction.frame(b"a,b\n1,2\n", "text/csv")
    with pytest.raises(PayloadError, match="line 1, column 2"):
        extraction.frame(b"{", "application/json")


@pytest.mark.parametrize(
    ("extraction", "reason"),
    [
        ({"columns": {}}, "at least 1 item"),
        ({"columns": {"t": "t"}}, r"'t' is no JSON path such as \$\.data\[\*\]: expected"),
        ({"columns": {"t": "$.a["}}, "unexpected end of query"),
        ({"columns": {"t": "$.t"}, "document": {"t": "$.u"}}, "the column 't' is given twice"),
        ({"columns": {"t": "$.t"}, "row": "$"}, "Extra inputs"),
    ],
)
def test_wrong_paths_stop_the_configuration(extraction: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Extraction.model_validate(extraction)


NAMES = st.sampled_from(["a", "b", "0", "length", "with space", "ž"])
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@profile(max_examples=examples(150))
@example(document="0", steps=[])
@example(document="{", steps=["a"])
@given(document=VALUES, steps=st.lists(NAMES | st.integers(-3, 3), max_size=4))
def test_short_cut_finds_what_the_path_finds(document: object, steps: list[str | int]) -> None:
    inner = "".join(f"[{step!r}]" for step in steps)
    keys = _keys(compiled("$" + inner))
    assert keys == steps
    found = _followed(document, keys)
    assert ([] if found is NO_VALUE else [found]) == compiled("$[0]" + inner).findall([document])


@profile(max_examples=examples(150))
@example(document="[1]", inner="[*]")
@example(document="0", inner="")
@given(document=VALUES, inner=st.sampled_from(["", "[*]", "..a", "[?@.a]", "['a'][*]"]))
def test_a_document_is_read_as_it_is_within_another(document: object, inner: str) -> None:
    assert _found(compiled("$" + inner), document) == compiled("$[0]" + inner).findall([document])


def test_texts_that_look_like_json_stay_texts() -> None:
    extraction = Extraction(rows="$[*]", columns={"t": "$"}, document={"first": "$[0]"})
    frame = extraction.frame(b'["0", "[1, 2]", "{"]', "application/json")
    assert frame.to_dict(as_series=False) == {"t": ["0", "[1, 2]", "{"], "first": ["0", "0", "0"]}
    with pytest.raises(PayloadError, match="finds nothing in any of 2 rows"):
        Extraction(rows="$[*]", columns={"t": "$..a"}).frame(
            json.dumps(['{"a": 1}', "["]).encode(), "application/json"
        )
