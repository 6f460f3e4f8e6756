from __future__ import annotations

import pytest

from tests.zarr_fuse.schemas import coord
from zarr_fuse.errors import SchemaWarning
from zarr_fuse.schema import deserialize


class TestSteps:
    def test_words(self):
        assert coord("{unit: m}").step_limits.any_new
        assert coord("{unit: m, step_limits: []}").step_limits.any_new
        assert coord("{unit: m, step_limits: no_new}").step_limits.no_new
        assert coord("{unit: m, step_limits: null}").step_limits.no_new

    @pytest.mark.parametrize(
        ("document", "bounds"),
        [
            ("{unit: m, step_limits: [1, 2]}", (1, 2)),
            ("{unit: m, step_limits: [1, 2, km]}", (1000, 2000)),
            ("{unit: degC, step_limits: [1, 9, delta_degF]}", (5 / 9, 5)),
            ("{unit: {tick: s}, step_limits: [1, 2, m]}", (60, 120)),
            ("{unit: {tick: s}, step_limits: [0.5, 2, hour]}", (1800, 7200)),
            ("{unit: {tick: m}, step_limits: [1, 2, D]}", (1440, 2880)),
            ("{type: int64, step_limits: [1, 2]}", (1, 2)),
            ("{unit: m, step_limits: any_new}", None),
        ],
    )
    def test_bounds_in_the_unit_of_the_axis(self, document, bounds):
        found = coord(document).step_bounds
        assert found == (bounds if bounds is None else pytest.approx(bounds))

    @pytest.mark.parametrize(
        "document", ["{unit: m, sorted: false, step_limits: [1, 2]}", "{type: 'str[3]', step_limits: [1, 2]}"]
    )
    def test_limits_of_steps_are_ignored_where_steps_mean_nothing(self, document):
        with pytest.warns(SchemaWarning, match="ignored"):
            assert coord(document).step_bounds is None

    def test_older_callers_call_what_newer_ones_read(self):
        x = coord("{unit: m}")
        assert x.is_composed() is False
        assert x.step_limits.any_new() is True
        assert deserialize("").ds.is_empty() is True
        assert x.zarr_attrs() == x.zarr_attrs
