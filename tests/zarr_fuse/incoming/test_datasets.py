"""Merging datasets: whole ones, parts, and what they hold beyond the schema."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from zarr_fuse.errors import SchemaWarning, UpdateRefusedError

SCHEMA = """
station:
  VARS:
    level: {unit: m, source_unit: ft, coords: [time, place]}
    owner: {unit: "", type: "str[8]", coords: place}
    wind:  {unit: m/s, coords: time}
    x:     {unit: km, coords: place}
    y:     {unit: km, coords: place}
  COORDS:
    time:  {unit: {tick: s}, chunk_size: 2}
    place: {composed: [x, y], chunk_size: 2}
  inner:
    VARS: {z: {unit: m, coords: t}}
"""
TIMES = np.array([0, 10], "datetime64[s]")


@pytest.fixture
def node(survey):
    return survey.open(SCHEMA)["station"]


def whole(**more):
    variables = {
        "level": (("place", "time"), [[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]]),
        "owner": ("place", ["A", "B", "C"]),
        "wind": ("time", [7.0, 8.0]),
        "x": ("place", [1.0, 1.0, 2.0]),
        "y": ("place", [5.0, 6.0, 5.0]),
        **more,
    }
    return xr.Dataset(variables, coords={"time": TIMES})


def quietly(act, dataset):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return act(dataset)


def joining(act, dataset, match="joining"):
    with pytest.warns(SchemaWarning, match=match):
        return act(dataset)


def test_extra_variables_over_known_coordinates_are_stored_and_join_the_stored_schema(survey, node):
    extra = {
        "speed": (
            ("time", "place"),
            np.arange(6, dtype="f4").reshape(2, 3),
            {"unit": "m/s", "description": "of the water", "device": "radar"},
        ),
        "flag": ("place", [True, False, True]),
        "seen": ("time", np.array(["2026-01-01", "NaT"], "datetime64[ns]")),
        "note": ("place", np.array(["a", "long one", ""], dtype=object)),
        "few": ("time", np.array([1, 2], "i2")),
        "odd": ("time", [1.0, 2.0], {"units": "fortnights per bushel"}),
        "one": ((), 5),
    }
    merged = joining(node.update_from_ds, whole(**extra), "few, flag, note, odd, one, seen, speed")
    assert set(merged.variables) == set(whole(**extra).variables)
    stored = survey.dataset("station")
    assert np.array_equal(stored.speed.values, extra["speed"][1])
    assert stored.speed.dtype == np.float32
    assert stored.flag.values.tolist() == [1, 0, 1]
    assert stored.seen.values.tolist()[0] == np.datetime64("2026-01-01", "ns").astype(int)
    assert stored.note.values.tolist() == ["a", "long one", ""]
    assert (stored["few"].dtype, stored.one.item()) == (np.int32, 5)
    schema = survey.open(None)["station"].schema
    assert (schema.VARS["speed"].unit, schema.VARS["speed"].description) == ("meter / second", "of the water")
    assert schema.VARS["note"].type.name == "str[8]"
    assert schema.VARS["level"].source_unit == "foot"
    with pytest.warns(SchemaWarning, match="the store keeps what the schema passed lacks"):
        again = survey.open(SCHEMA)["station"]
    assert "speed" in again.schema.VARS
    assert np.array_equal(quietly(again.update_from_ds, whole(**extra)).speed, stored.speed)


def test_other_extras_are_left_out_with_a_warning(survey, node):
    extra = {
        "depths": ("depth", [1.0, 2.0]),
        "spans": ("time", np.array([1, 2], "timedelta64[s]")),
        "bytes": ("time", np.array([b"a", b"b"])),
        "mixed": ("time", np.array(["a", 1], dtype=object)),
        "inner": ("time", [1.0, 2.0]),
        "__zf_x": ("time", [1.0, 2.0]),
        "a/b": ("time", [1.0, 2.0]),
    }
    with pytest.warns(SchemaWarning, match="left out: __zf_x, a/b, bytes, depths, inner, mixed, spans"):
        merged = node.update_from_ds(whole(**extra))
    assert set(merged.variables) == set(whole().variables)
    assert set(survey.dataset("station").variables) == {*whole().variables, "place"}
    assert set(node.schema.VARS) == set(whole().data_vars)


def test_refused_dataset_leaves_the_schema_as_it_was(survey, node):
    bad = whole(speed=("time", [1.0, 2.0])).drop_vars("wind")
    with pytest.warns(SchemaWarning), pytest.raises(UpdateRefusedError, match="wind"):
        node.update_from_ds(bad)
    assert "speed" not in node.schema.VARS
    assert not survey.dataset("station").variables


def test_any_part_of_the_variables_can_be_merged(survey, node):
    node.update_from_ds(whole())
    later = np.array([10, 20], "datetime64[s]")
    merged, labels = node.merge_ds(xr.Dataset({"wind": ("time", [9.0, np.nan])}, coords={"time": later}))
    assert list(merged.data_vars) == ["wind"]
    assert labels["time"].astype("datetime64[s]").astype(int).tolist() == [0, 10, 20]
    assert list(labels) == ["time"]
    places = xr.Dataset({"owner": ("place", ["D"]), "x": ("place", [2.0]), "y": ("place", [5.0])})
    _, labels = node.merge_ds(places)
    assert labels["place"].tolist() == survey.dataset("station").place.values.tolist()
    stored = survey.dataset("station")
    assert stored.owner.values.tolist() == ["A", "B", "D"]
    assert np.array_equal(stored.wind.values, [7.0, 9.0, np.nan], equal_nan=True)
    expected = np.array([[1.0, 3.0, 5.0], [2.0, 4.0, np.nan], [np.nan] * 3])
    assert np.array_equal(stored.level.values, expected, equal_nan=True)


def test_part_may_come_before_everything_else(survey, node):
    node.merge_ds(xr.Dataset({"wind": ("time", [7.0, 8.0])}, coords={"time": TIMES}))
    assert survey.dataset("station").level.shape == (2, 0)
    node.update_from_ds(whole())
    assert np.array_equal(survey.dataset("station").level.values, whole().level.values.T, equal_nan=True)


def test_part_needs_its_coordinates_and_their_components(node):
    with pytest.raises(UpdateRefusedError, match="time"):
        node.merge_ds(xr.Dataset({"wind": ("time", [7.0, 8.0])}))
    with pytest.raises(UpdateRefusedError, match="x: the dataset has no such variable"):
        node.merge_ds(xr.Dataset({"owner": ("place", ["A"]), "y": ("place", [1.0])}))
    with pytest.raises(UpdateRefusedError, match="over"):
        node.merge_ds(xr.Dataset({"wind": (("time", "k"), [[7.0], [8.0]])}, coords={"time": TIMES}))


def test_closed_axis_without_labels_takes_the_first_ones(survey):
    node = survey.open(SCHEMA.replace("composed: [x, y]", "composed: [x, y], step_limits: no_new"))["station"]
    node.merge_ds(xr.Dataset({"wind": ("time", [7.0, 8.0])}, coords={"time": TIMES}))
    node.update_from_ds(whole())
    assert survey.dataset("station").sizes["place"] == 3


def test_frames_and_datasets_of_one_transaction_see_the_joined_schema(survey, node):
    with node.transaction() as transaction:
        writer = transaction["station"]
        joining(writer.update_from_ds, whole(speed=("time", [1.0, 2.0])))
        writer.merge_ds(xr.Dataset({"speed": ("time", [3.0])}, coords={"time": TIMES[1:]}))
    assert survey.dataset("station").speed.values.tolist() == [1.0, 3.0]


def test_new_variable_over_a_coordinate_whose_type_is_open_waits_for_its_first_frame(survey, node):
    node.update_from_ds(whole())
    grown = SCHEMA.replace("    wind:", "    rain:  {unit: mm, coords: bucket}\n    wind:")
    node = survey.open(grown)["station"]
    assert "rain" not in survey.dataset("station")
    rain = xr.Dataset({"rain": ("bucket", [1.0, 2.0])}, coords={"bucket": [3, 1]})
    with pytest.warns(SchemaWarning, match="bucket"):
        node.merge_ds(rain)
    assert survey.dataset("station").rain.values.tolist() == [2.0, 1.0]
