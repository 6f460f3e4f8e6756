from __future__ import annotations

import pytest

from tests.zarr_fuse.schemas import coord, variable
from zarr_fuse.errors import SchemaWarning
from zarr_fuse.schema import deserialize
from zarr_fuse.units import DateTimeUnit


class TestObsoleteForms:
    @pytest.mark.parametrize(
        ("document", "message", "modern"),
        [
            ("{unit: m, merge: {step_limits: [1, 2]}}", "x/merge/step_limits", "{unit: m}"),
            ("{unit: m, merge: {other: 1}}", "x/merge/other", "{unit: m}"),
            ("{unit: m, merge: None}", "x/merge", "{unit: m}"),
            ("{unit: m, sorted: None}", "x/sorted", "{unit: m}"),
            ("{unit: m, df_col: None}", "x/df_col", "{unit: m}"),
            ("{unit: m, step_limits: None}", "x/step_limits", "{unit: m, step_limits: any_new}"),
            ("{unit: m, sorted: []}", "x/sorted", "{unit: m, sorted: false}"),
            (
                "{unit: m, step_limits: {start: 1, end: 2, unit: km}}",
                "x/step_limits",
                "{unit: m, step_limits: [1, 2, km]}",
            ),
            ("{unit: m, dtype: float}", "x/dtype", "{unit: m}"),
            ("{unit: m, values: [1, 2]}", "x/values", "{unit: m}"),
            ("{unit: m, discrete: true}", "x/discrete", "{unit: m}"),
        ],
    )
    def test_it_is_read_with_a_warning(self, document, message, modern):
        with pytest.warns(SchemaWarning, match=message):
            old = coord(document)
        assert old == coord(modern)

    def test_a_name_equal_to_its_key_is_fine(self):
        assert coord("{unit: m, name: x}") == coord("{unit: m}")

    def test_a_multiple_of_a_tick(self):
        with pytest.warns(SchemaWarning, match="floored to 15 m"):
            assert coord("{unit: {tick: 15m}}").unit == DateTimeUnit("15m")

    @pytest.mark.parametrize("unit", ["C", "D"])
    def test_units_that_are_easily_mistaken(self, unit):
        with pytest.warns(SchemaWarning, match="coulomb|debye"):
            variable(f"{{unit: {unit}, coords: x}}")

    def test_a_stored_wall_clock_with_summer_time(self):
        with pytest.warns(SchemaWarning, match="summer time"):
            coord("{unit: {tick: s, tz: Europe/Prague}}")

    def test_a_coordinate_described_in_vars_wins_over_coords(self):
        with pytest.warns(SchemaWarning, match="VARS/t"):
            ds = deserialize(
                "VARS: {t: {unit: {tick: h}, description: one}, v: {unit: m, coords: [t]}}\n"
                "COORDS: {t: {chunk_size: 7, description: two}}"
            ).ds
        assert list(ds.VARS) == ["v"]
        assert (ds.COORDS["t"].unit, ds.COORDS["t"].chunk_size) == (DateTimeUnit("h"), 7)
        assert ds.COORDS["t"].description == "one"

    @pytest.mark.parametrize("entry", ["{unit: {tick: h}, coords: t}", "{unit: {tick: h}, coords: [t]}"])
    def test_a_coordinate_may_stand_in_vars_alone(self, entry):
        with pytest.warns(SchemaWarning, match="VARS/t"):
            ds = deserialize(f"VARS: {{t: {entry}, v: {{unit: m, coords: [t]}}}}").ds
        assert (list(ds.VARS), list(ds.COORDS)) == (["v"], ["t"])

    def test_a_composed_axis_is_never_sorted(self):
        parts = "a: {unit: m, coords: p}, b: {unit: m, coords: p}"
        text = f"VARS: {{{parts}}}\nCOORDS: {{p: {{composed: [a, b], sorted: true}}}}"
        with pytest.warns(SchemaWarning, match="never sorted"):
            assert deserialize(text).ds.COORDS["p"].sorted is False
