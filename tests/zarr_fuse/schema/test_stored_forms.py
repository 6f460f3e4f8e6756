from __future__ import annotations

import json

import pytest

from tests.zarr_fuse.schemas import RIVER, variable
from zarr_fuse.errors import SchemaWarning
from zarr_fuse.schema import deserialize, serialize
from zarr_fuse.schema.document import CoordDocument, VariableDocument
from zarr_fuse.units import NoneUnit, Unit


class TestStoredForms:
    def test_array_attributes(self):
        ds = deserialize(RIVER).groups["upper"].ds
        assert ds.VARS["stage"].zarr_attrs == {
            "unit": "meter",
            "type": "float64",
            "range": {"interval": [0, 40, "foot"]},
            "description": None,
            "df_col": "Level (ft)",
            "source_unit": "foot",
            "_FillValue": "AAAAAAAA+H8=",
            "device": "radar",
        }
        assert list(ds.VARS["quality"].zarr_attrs)[-2:] == ["flag_values", "flag_meanings"]
        assert ds.VARS["quality"].zarr_attrs["flag_values"] == [1, 2, 3]
        assert ds.VARS["quality"].zarr_attrs["flag_meanings"] == "good suspect bad"
        when = ds.COORDS["when"].zarr_attrs
        assert when["unit"] == {"tick": "s", "tz": "UTC", "dayfirst": False, "yearfirst": True}
        assert (when["units"], when["calendar"]) == ("seconds since 1970-01-01", "proleptic_gregorian")
        assert (when["composed"], when["chunk_size"], when["step_limits"], when["sorted"]) == (
            ["when"],
            4096,
            "any_new",
            True,
        )
        assert "_FillValue" not in when
        assert ds.COORDS["gauge"].zarr_attrs["composed"] == ["east", "north"]

    def test_only_nan_is_repeated_as_fill_value(self):
        for document in (
            "{unit: m, na_value: -9, coords: x}",
            "{type: int8, coords: x}",
            "{type: 'str[3]', coords: x}",
        ):
            assert "_FillValue" not in variable(document).zarr_attrs

    def test_attributes_are_json(self):
        ds = deserialize(
            "ATTRS: {when: 2024-01-01, bad: .nan, deep: [{x: .inf}]}\n"
            "VARS:\n"
            "  v: {unit: {tick: s}, coords: x, range: {interval: [2024-01-01, null]}}\n"
            "  w: {unit: m, coords: x, range: {interval: []}}\n"
            "  u: {unit: m, coords: x, range: {interval: [null, 5]}}"
        ).ds
        for attrs in (ds.zarr_attrs, *(v.zarr_attrs for v in ds.VARS.values())):
            json.dumps(attrs, allow_nan=False)
        assert ds.zarr_attrs == {"when": "2024-01-01", "bad": "nan", "deep": [{"x": "inf"}]}

    def test_structure_text_keeps_the_order_of_keys(self):
        import yaml

        ds = deserialize(RIVER).groups["upper"].ds
        raw = yaml.safe_load(ds.structure_text())
        assert list(raw) == ["ATTRS", "COORDS", "VARS"]
        assert list(raw["VARS"]["stage"]) == [
            *("name", "coords", "unit", "type", "na_value", "df_col", "source_unit", "range", "attrs")
        ]  # fmt: skip
        assert list(raw["COORDS"]["when"])[-4:] == ["composed", "chunk_size", "step_limits", "sorted"]
        assert deserialize(ds.structure_text()).ds == ds

    def test_the_older_generation_is_read(self):
        text = """
ATTRS: {description: rock}
COORDS:
  date_time: {name: date_time, description: "\\n when", composed: [date_time], step_limits: []}
  lat_lon: {name: lat_lon, composed: [latitude, longitude], chunk_size: 64, step_limits: null}
  depth: {name: depth, chunk_size: 8, step_limits: [1, 2, m]}
VARS:
  date_time: {name: date_time, coords: [date_time], unit: {tick: h, tz: UTC}, df_col: date_time}
  depth: {name: depth, coords: [depth], unit: m, df_col: depth}
  latitude: {name: latitude, coords: [lat_lon], unit: deg, df_col: latitude, source_unit: deg}
  longitude: {name: longitude, coords: [lat_lon], unit: deg}
  odd: {name: odd, coords: [date_time, lat_lon], unit: furlongs_per_moon, description: null}
"""
        with pytest.warns(SchemaWarning, match="furlongs_per_moon.*read as no unit") as caught:
            ds = deserialize(text, "stored schema").ds
        assert len(caught) == 1
        assert set(ds.VARS) == {"latitude", "longitude", "odd"}
        assert ds.VARS["odd"].unit == NoneUnit()
        assert ds.VARS["latitude"].unit == Unit("degree")
        assert ds.COORDS["date_time"].step_limits.any_new
        assert ds.COORDS["lat_lon"].step_limits.no_new
        assert ds.COORDS["depth"].step_bounds == (1, 2)

    def test_reading_back_what_was_warned_of_is_silent(self):
        text = "VARS: {v: {type: str, coords: x}}\nCOORDS: {x: {unit: {tick: 15m, tz: Europe/Prague}}}"
        with pytest.warns(SchemaWarning) as caught:
            ds = deserialize(text).ds
        assert len(caught) == 3
        assert deserialize(ds.structure_text()).ds == ds

    def test_the_documents_have_a_json_schema(self):
        for model in (VariableDocument, CoordDocument):
            made = model.model_json_schema()
            assert made["additionalProperties"] is False
            assert "unit" in made["properties"]


class TestSecrets:
    TEXT = """
ATTRS:
  S3_ACCESS_KEY: topsecret-a
  S3_SECRET_KEY: topsecret-b
  S3_OPTIONS: '{"key": "topsecret-c", "client_kwargs": {"region_name": "eu"}, "secret": "topsecret-d"}'
"""

    def test_they_never_leave(self):
        tree = deserialize(self.TEXT)
        assert tree.ds.ATTRS["S3_SECRET_KEY"] == "topsecret-b"
        for shown in (
            serialize(tree),
            repr(tree),
            str(tree.ds),
            tree.ds.structure_text(),
            json.dumps(tree.ds.zarr_attrs),
        ):
            assert "topsecret" not in shown
        assert "eu" in serialize(tree)

    def test_options_that_are_no_json_are_dropped_whole(self):
        tree = deserialize({"ATTRS": {"S3_OPTIONS": "{topsecret"}})
        assert "topsecret" not in serialize(tree)
