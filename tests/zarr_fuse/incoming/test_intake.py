from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from zarr_fuse import open_store
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.incoming.intake import nearest_name

SCHEMA = {
    "n": {
        "VARS": {"level": {"unit": "m", "df_col": "Level (m)", "coords": ["t", "site"]}},
        "COORDS": {"t": {"unit": {"tick": "s"}}, "site": {"type": "str[8]"}},
    }
}
COLUMNS = {"t": ["2026-01-01", "2026-01-02"], "site": ["weir", "mill"], "Level (m)": [1.5, 2.5]}


@pytest.fixture
def node(request):
    return open_store(SCHEMA, STORE_URL=f"memory://{request.node.nodeid}")["n"]


@pytest.mark.parametrize(
    "level",
    [
        pd.arrays.SparseArray([1.5, np.nan]),
        np.array([1.5, np.nan], dtype=np.longdouble),
        np.array([1.5, np.nan], dtype=np.float16),
    ],
    ids=["sparse", "longdouble", "float16"],
)
def test_pandas_column_of_a_rare_type_holds_the_same_numbers(node, level):
    node.update(pd.DataFrame(COLUMNS | {"Level (m)": level}))
    values = node.dataset.level.values
    assert values[0, 1] == 1.5
    assert np.isnan(values).sum() == 3


def test_labels_in_the_index_of_a_pandas_frame_are_pointed_out(node):
    with pytest.raises(UpdateRefusedError) as refused:
        node.update(pd.DataFrame(COLUMNS).set_index(["t", "site"]))
    assert list(refused.value.problems) == [
        "t: the frame has no column 't', it is in the index: reset_index() makes it a column",
        "site: the frame has no column 'site', it is in the index: reset_index() makes it a column",
    ]


def test_column_of_nearly_the_right_name_is_pointed_out(node):
    frame = pl.DataFrame(COLUMNS).rename({"site": "Site ", "Level (m)": "level(m)"})
    with pytest.raises(UpdateRefusedError, match=r"has no column 'site', did you mean 'Site '\?"):
        node.update(frame)
    report = node.update(frame.rename({"Site ": "site"}))
    assert report.rejected[0].message == "the frame has no column 'Level (m)', did you mean 'level(m)'?"


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("temp (degC)", "temp (degC)"),
        ("Temp_degC", "Temp_degC"),
        ("temps", "temps"),
        ("temperature", None),
        ("humidity", None),
    ],
)
def test_a_column_with_a_unit_behind_its_name_may_be_meant(column, meant):
    assert nearest_name("temp", ["time", column]) == meant


@pytest.mark.parametrize(
    ("frame", "hint"),
    [
        (pl.LazyFrame(COLUMNS), "collect"),
        (COLUMNS, r"pl\.DataFrame\(…\)"),
        (pd.DataFrame(COLUMNS).to_xarray(), "update_from_ds"),
        (pd.Series([1.0]), "not Series"),
    ],
)
def test_what_is_no_frame_is_refused_with_the_way_to_one(node, frame, hint):
    with pytest.raises(TypeError, match=hint):
        node.update(frame)
    assert node.last_report is None


def test_dense_lists_of_datetimes_numbers_and_texts_are_taken(node):
    first, second = (datetime.fromisoformat(text) for text in ("2026-01-01", "2026-01-02"))
    times = [second, first, None]
    levels = [[1, 2.5], [None, 4], [5, 6]]
    report = node.update_dense({"t": times, "site": ["weir", "mill"], "level": levels})
    assert report.rejected_counts == {"coordinate_missing": 2}
    stored = node.read_df(["level"])
    assert stored["level"].to_list() == [4.0, None, 2.5, 1.0]
    assert stored["t"].to_list() == [first, first, second, second]
