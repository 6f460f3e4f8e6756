from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
import xarray as xr

from tests.zarr_fuse.frames import dataset, found, kinds, one
from zarr_fuse.errors import SchemaWarning, UpdateRefusedError
from zarr_fuse.incoming.frame import convert
from zarr_fuse.units import DateTimeUnit


class TestCoordinates:
    SCHEMA = """
VARS:
  v: {unit: m, coords: [when, place]}
  east: {unit: km, coords: place, range: {interval: [0, 10]}}
  north: {unit: km, coords: place}
COORDS:
  when: {unit: {tick: s}}
  place: {composed: [east, north]}
"""

    def test_rows_without_whole_coordinates_are_dropped(self):
        frame = pl.DataFrame(
            {
                "when": ["2024-01-01", "x", "2024-01-01", "2024-01-01", None],
                "east": ["1", "1", "11", "x", "1"],
                "north": ["1", "1", "1", "1", "1"],
                "v": ["1", "1", "1", "1", "1"],
            }
        )
        done = convert(frame, dataset(self.SCHEMA))
        assert done.keep.tolist() == [True, False, False, False, False]
        assert found(done) == [
            (1, "when", "coordinate_unreadable", "x"),
            (2, "east", "coordinate_out_of_range", "11"),
            (3, "east", "coordinate_unreadable", "x"),
            (4, "when", "coordinate_missing", None),
        ]

    def test_the_composed_axis_itself_needs_no_column(self):
        frame = pl.DataFrame({"when": ["2024-01-01"], "east": [1.0], "north": [2.0], "v": [3.0]})
        assert set(convert(frame, dataset(self.SCHEMA)).columns) == {"when", "east", "north", "v"}

    def test_negative_zero_is_zero(self):
        frame = pl.DataFrame({"when": ["2024-01-01"], "east": ["-0.0"], "north": [-0.0], "v": [-0.0]})
        done = convert(frame, dataset(self.SCHEMA))
        assert not np.signbit(done.columns["east"]).any()
        assert not np.signbit(done.columns["north"]).any()

    def test_all_missing_columns_of_coordinates_are_named_at_once(self):
        with pytest.raises(UpdateRefusedError) as refused:
            convert(pl.DataFrame({"v": [[1]]}), dataset(self.SCHEMA))
        problems = "\n".join(refused.value.problems)
        for name in ("when", "east", "north", "v"):
            assert f"{name}: " in problems
        assert len(refused.value.problems) == 4

    def test_a_variable_without_column_is_harmless(self):
        frame = pl.DataFrame({"when": ["2024-01-01"], "east": [1.0], "north": [2.0], "extra": [0]})
        done = convert(frame, dataset(self.SCHEMA), on_bad_rows="fail")
        assert done.missing == ("v",)
        assert found(done) == [(None, "v", "column_missing", None)]
        assert "v" not in done.columns

    def test_a_column_of_nulls_is_a_column(self):
        frame = pl.DataFrame({"when": ["2024-01-01"], "east": [1.0], "north": [2.0], "v": [None]})
        done = convert(frame, dataset(self.SCHEMA))
        assert done.missing == ()
        assert np.isnan(done.columns["v"]).all()

    def test_fail_refuses_any_finding_and_carries_the_report(self):
        frame = pl.DataFrame({"when": ["x"], "east": ["y"], "north": [2.0], "v": [1.0]})
        with pytest.raises(UpdateRefusedError) as refused:
            convert(frame, dataset(self.SCHEMA), on_bad_rows="fail")
        assert len(refused.value.problems) == 2
        assert refused.value.report.rejected_counts == {"coordinate_unreadable": 2}

    def test_a_frame_without_rows_converts(self):
        frame = pl.DataFrame(schema=dict.fromkeys(("when", "east", "north", "v"), pl.String))
        done = convert(frame, dataset(self.SCHEMA))
        assert (done.rows_in, len(done.keep), len(done.columns["v"])) == (0, 0, 0)


class TestFarTimes:
    FAR = ("2026-10-01", "0001-01-01", "9999-12-31", None, "1677-09-22T01:00", "2262-04-10")

    def test_a_time_that_plain_xarray_cannot_read_is_no_label(self):
        schema = dataset("VARS: {v: {unit: m, coords: when}}\nCOORDS: {when: {unit: {tick: s}}}")
        done = convert(pl.DataFrame({"when": self.FAR, "v": [1.0] * 6}), schema)
        assert done.keep.tolist() == [True, False, False, False, True, True]
        assert kinds(done) == [
            (1, "coordinate_out_of_range"),
            (2, "coordinate_out_of_range"),
            (3, "coordinate_missing"),
        ]

    def test_nor_is_it_a_value(self):
        assert kinds(one("{unit: {tick: D}, coords: x}", self.FAR)) == [
            (1, "out_of_range"),
            (2, "out_of_range"),
        ]

    def test_milliseconds_where_seconds_are_meant_are_found(self):
        done = one("{unit: {tick: s}, coords: x}", [1_790_812_800, 1_790_812_800_000])
        assert found(done) == [(1, "v", "out_of_range", "1790812800000")]
        assert "plain xarray" in done.findings.rejected()[0].message

    @pytest.mark.parametrize("limits", ["[]", "[null, null]", "['0001-01-01', '9999-12-31']"])
    def test_a_range_allows_what_it_says(self, limits):
        done = one(f"{{unit: {{tick: s}}, coords: x, range: {{interval: {limits}}}}}", self.FAR)
        assert not done.findings

    @pytest.mark.parametrize("tick", ["D", "h", "m", "s", "ms", "us", "ns"])
    def test_plain_xarray_reads_the_first_and_the_last_time(self, tick):
        unit = DateTimeUnit(tick)
        raw = xr.Dataset({"when": ("x", list(unit.plain_counts), {"units": unit.cf_units})})
        decoded = xr.decode_cf(raw).when.values.astype("datetime64[ns]").astype(int)
        np.testing.assert_array_equal(decoded, np.array(unit.plain_counts) * unit.tick_ns)


class TestOpenTypes:
    @pytest.mark.parametrize(
        ("column", "name"),
        [([1.5], "float64"), ([1], "int64"), ([True], "int8"), (["a"], "str[32]")],
    )
    def test_the_first_frame_fixes_the_type(self, column, name):
        with pytest.warns(SchemaWarning, match="fixes its type"):
            done = one("{coords: x}", column)
        assert done.schema.VARS["v"].type.name == name
        assert done.schema.VARS["v"].storage_dtype == done.columns["v"].dtype

    def test_nulls_fix_nothing(self):
        done = one("{coords: x}", [None, None])
        assert done.schema.VARS["v"].type is None
        assert ("v" in done.columns, done.missing) == (False, ())

    def test_a_coordinate_of_nulls_keeps_no_row(self):
        schema = dataset("VARS: {v: {unit: m, coords: x}}")
        done = convert(pl.DataFrame({"x": [None, None], "v": [1.0, 2.0]}), schema)
        assert not done.keep.any()
        assert kinds(done) == [(0, "coordinate_missing"), (1, "coordinate_missing")]

    def test_times_need_a_unit_of_time(self):
        with pytest.raises(UpdateRefusedError, match="unit of time"):
            one("{coords: x}", [dt.date(2024, 1, 1)])
