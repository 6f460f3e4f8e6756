"""Reading nodes as datasets with labels and as long tables."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
import xarray as xr
from polars.testing import assert_frame_equal

SCHEMA = """
upper:
  VARS:
    stage:   {unit: m, coords: [when, gauge]}
    count:   {unit: "", type: int, coords: [when, gauge]}
    quality: {unit: "", type: "str[10]", coords: [when, gauge], range: {discrete: [good, suspect, bad]}}
    step:    {unit: m, type: int32, coords: when, range: {discrete: [10, 30]}}
    swing:   {unit: m, type: complex, coords: when}
    seen:    {unit: {tick: D}, coords: gauge}
    name:    {unit: "", type: "str[4]", coords: gauge}
    total:   {unit: m, coords: []}
    east:    {unit: km, coords: gauge}
    north:   {unit: km, coords: gauge}
  COORDS:
    when:  {unit: {tick: s}, chunk_size: 2, range: {interval: []}}
    gauge: {composed: [east, north], chunk_size: 2}
"""
NOON, ONE = (dt.datetime.fromisoformat(f"2026-11-20T{hour}:00") for hour in (12, 13))


@pytest.fixture
def node(survey):
    node = survey.open(SCHEMA)["upper"]
    node.update(
        pl.DataFrame(
            {
                "when": [NOON, NOON, ONE],
                "east": [1.0, 2.0, 1.0],
                "north": [5.0, 5.0, 5.0],
                "stage": [1.5, None, 2.5],
                "count": [7, 8, None],
                "quality": ["bad", "good", None],
                "step": [30, 30, 10],
                "seen": [dt.date(2026, 1, 2), None, dt.date(2026, 1, 2)],
                "name": ["a", None, "a"],
                "swing": pl.Series([None, None, None], dtype=pl.Float64),
                "total": [9.0, 9.0, 9.0],
            }
        )
    )
    return node


def test_table_has_a_row_a_cell_with_coordinates_components_and_labels(node):
    table = node.read_df(["stage", "count", "quality"])
    assert table.columns == ["when", "east", "north", "stage", "count", "quality"]
    assert table.rows() == [
        (NOON, 1.0, 5.0, 1.5, 7, "bad"),
        (NOON, 2.0, 5.0, None, 8, "good"),
        (ONE, 1.0, 5.0, 2.5, None, None),
        (ONE, 2.0, 5.0, None, None, None),
    ]


def test_table_lies_over_the_axes_of_its_variables_only(node):
    assert node.read_df("step").rows() == [(NOON, 30), (ONE, 10)]
    assert node.read_df(["name", "seen"]).rows() == [
        (1.0, 5.0, "a", dt.datetime.fromisoformat("2026-01-02")),
        (2.0, 5.0, None, None),
    ]
    assert node.read_df("total").rows() == [(9.0,)]
    assert node.read_df("east").columns == ["east", "north"]
    assert node.read_df(["when", "total"]).rows() == [(NOON, 9.0), (ONE, 9.0)]


def test_selection_is_that_of_xarray(node):
    first = node.read_df("stage", when=np.datetime64(NOON))
    assert first.rows() == [(NOON, 1.0, 5.0, 1.5), (NOON, 2.0, 5.0, None)]
    assert_frame_equal(node.read_df("stage", {"when": np.datetime64(NOON)}), first)
    near = node.read_df("step", method="nearest", when=np.datetime64("2026-11-20T12:10"))
    assert near.rows() == [(NOON, 30)]
    later = node.read_df("step", when=slice("2026-11-20T12:30", None))
    assert later.rows() == [(ONE, 10)]
    places = xr.DataArray([0, 1, 0], dims="point")
    labels = node.dataset.gauge[places]
    times = node.dataset.when[places]
    assert node.read_df("count", gauge=labels, when=times).rows() == [
        (NOON, 1.0, 5.0, 7),
        (ONE, 2.0, 5.0, None),
        (NOON, 1.0, 5.0, 7),
    ]


@pytest.mark.parametrize("year", ["0900", "2999"])
def test_times_that_nanoseconds_cannot_hold_are_read_in_microseconds(node, year):
    node.update(pl.DataFrame({"when": [f"{year}-01-01"], "east": [1.0], "north": [5.0], "step": [30]}))
    assert node.read_df("step").filter(pl.col("when").dt.year() == int(year))["step"].to_list() == [30]
    assert node.dataset.when.dtype == np.dtype("datetime64[us]")
    assert node.read_df("step", when=slice("2026-11-20T12:30", "2027")).rows() == [(ONE, 10)]


def test_absent_names_and_labels_are_key_errors(node):
    with pytest.raises(KeyError, match="depth"):
        node.read_df("depth")
    with pytest.raises(KeyError):
        node.read_df("step", when=np.datetime64("2026-11-20T12:10"))


def test_complex_numbers_are_structs(survey):
    node = survey.open(SCHEMA)["upper"]
    node.update_dense(
        {
            "when": np.array([0, 1], dtype="datetime64[s]"),
            "east": np.array([1.0]),
            "north": np.array([1.0]),
        }
    )
    assert node.read_df("swing")["swing"].to_list() == [None, None]


def test_decoded_dataset_holds_labels_and_stays_lazy(survey, node):
    data = node.decoded
    reads = survey.storage.switch.calls
    part = data.quality.isel(when=0)
    assert survey.storage.switch.calls == reads
    assert part.values.tolist() == ["bad", "good"]
    na = "\uffff" * 10
    assert data.quality.values.tolist() == [["bad", "good"], [na, na]]
    assert data.quality.values[np.array([1, 0])].tolist() == [[na, na], ["bad", "good"]]
    assert data.quality[np.array([0, 0]), np.array([1, 0])].values.tolist() == [["good", "bad"]] * 2
    assert data.step.values.tolist() == [30, 10]
    assert "flag_values" not in data.quality.attrs
    assert data.stage.equals(node.dataset.stage)
    assert node.dataset.quality.dtype == np.int64


def test_node_without_discrete_variables_or_without_data_is_decoded_as_it_is(survey):
    node = survey.open(SCHEMA)["upper"]
    assert not node.decoded.variables
