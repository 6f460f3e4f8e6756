from __future__ import annotations

import math

import numpy as np
import pytest

from tests.zarr_fuse.schemas import RIVER, coord, variable
from zarr_fuse import schema
from zarr_fuse.errors import SchemaWarning
from zarr_fuse.schema import DatasetSchema, DiscreteRange, InfRange, IntervalRange, deserialize


class TestTypes:
    @pytest.mark.parametrize(
        ("written", "name", "dtype", "na"),
        [
            ("float", "float64", "f8", math.nan),
            ("float32", "float32", "f4", math.nan),
            ("int", "int64", "i8", -(2**63)),
            ("int8", "int8", "i1", -128),
            ("int32", "int32", "i4", -(2**31)),
            ("uint", "uint64", "u8", 2**64 - 1),
            ("uint8", "uint8", "u1", 255),
            ("uint32", "uint32", "u4", 2**32 - 1),
            ("bool", "int8", "i1", -128),
            ("str[3]", "str[3]", "<U3", "\uffff" * 3),
        ],
    )
    def test_types_and_their_missing_values(self, written, name, dtype, na):
        v = variable(f"{{type: '{written}', coords: x}}")
        assert (v.type.name, v.dtype, v.storage_dtype) == (name, np.dtype(dtype), np.dtype(dtype))
        assert v.storage_na == na or (v.storage_na != v.storage_na and na != na)
        assert isinstance(v.storage_na, np.generic)

    def test_complex_is_missing_in_both_parts(self):
        v = variable("{type: complex, coords: x}")
        assert v.storage_dtype == np.complex128
        assert math.isnan(v.na_value.real)
        assert math.isnan(v.na_value.imag)

    @pytest.mark.parametrize("written", ["str", "str[0]"])
    def test_text_without_length_has_32_characters(self, written):
        with pytest.warns(SchemaWarning, match="says no length"):
            assert variable(f"{{type: '{written}', coords: x}}").type.name == "str[32]"

    @pytest.mark.parametrize(
        ("written", "na", "expected"),
        [
            ("int8", "max_int", 127),
            ("uint8", "min_int", 0),
            ("int32", "-9", -9),
            ("float", "-9", -9.0),
            ("str[3]", "n/a", "n/a"),
        ],
    )
    def test_other_missing_values(self, written, na, expected):
        assert variable(f"{{type: '{written}', na_value: {na}, coords: x}}").na_value == expected

    def test_times_are_counts(self):
        v = variable("{unit: {tick: h}, coords: x}")
        assert (v.type.name, v.storage_dtype, v.storage_na) == ("datetime64[h]", np.dtype("int64"), -(2**63))
        assert np.isnat(v.na_value)

    def test_codes_are_integers(self):
        v = variable("{type: 'str[4]', coords: x, range: {discrete: [a, b]}}")
        assert (v.storage_dtype, v.storage_na, v.dtype) == (np.dtype("int64"), 0, np.dtype("<U4"))

    def test_on_a_coordinate_the_label_is_stored(self):
        x = coord("{type: 'str[4]', range: {discrete: [a, b]}}")
        assert x.storage_dtype == np.dtype("<U4")

    def test_a_discrete_list_fixes_an_open_type(self):
        assert variable("{coords: x, range: {discrete: [ab, abc]}}").type.name == "str[3]"
        assert variable("{coords: x, range: {discrete: [1, 2]}}").type.name == "int64"
        assert variable("{coords: x, range: {discrete: [1, 2.5]}}").type.name == "float64"

    def test_an_open_type_is_resolved_later(self):
        v = variable("{coords: x}")
        assert (v.type, v.dtype, v.na_value) == (None, None, None)
        with pytest.raises(TypeError, match="first frame"):
            _ = v.storage_dtype
        fixed = v.resolved(schema.DType("int8"))
        assert (fixed.storage_dtype, fixed.storage_na) == (np.dtype("int8"), -128)
        assert fixed.resolved(schema.DType("float64")) is fixed
        assert v.resolved(None) is v


class TestRanges:
    def test_an_interval_converts_its_unit(self):
        v = variable("{unit: m, coords: x, range: {interval: [0, 40, ft]}}")
        assert isinstance(v.range, IntervalRange)
        assert (v.range.low, v.range.high) == (0, pytest.approx(12.192))
        assert v.range.high > 12.192
        assert v.range.inside(np.array([0.0, 12.192, 12.2, -0.1, np.nan])).tolist() == [
            True,
            True,
            False,
            False,
            False,
        ]

    @pytest.mark.parametrize(
        ("written", "low", "high"),
        [("5", 5, 5), ("[5]", 5, 5), ("[]", -np.inf, np.inf), ("[null, 5]", -np.inf, 5)],
    )
    def test_short_forms_of_an_interval(self, written, low, high):
        limits = variable(f"{{unit: m, coords: x, range: {{interval: {written}}}}}").range
        assert (limits.low, limits.high) == (low, high)

    def test_an_interval_of_times(self):
        v = variable(
            "{unit: {tick: D, tz: '+02:00'}, coords: x, range: {interval: [2024-01-01, '2024-01-31T23:00Z']}}"
        )
        days = np.array(["2023-12-31", "2024-01-01", "2024-02-01", "2024-02-02"], "M8[D]")
        assert v.range.inside(days).tolist() == [False, True, True, False]

    def test_rounding_does_not_cut_the_border_off(self):
        v = variable("{unit: degC, coords: x, range: {interval: [32, 212, degF]}}")
        assert v.range.inside(np.array([0.0, 100.0, -1e-9, 100.0 + 1e-9])).tolist() == [
            True,
            True,
            False,
            False,
        ]

    def test_codes_decode_to_labels(self):
        limits = variable("{type: 'str[4]', coords: x, range: {discrete: [b, a]}}").range
        assert isinstance(limits, DiscreteRange)
        np.testing.assert_array_equal(
            limits.encode(np.array([["a", "b"], ["c", "\uffff" * 4]])), [[2, 1], [0, 0]]
        )
        assert limits.decode([1, 2, 0]).tolist() == ["b", "a", "\uffff" * 4]
        with pytest.raises(IndexError):
            limits.decode([3])

    def test_no_range_takes_all(self):
        limits = variable("{unit: m, coords: x}").range
        assert limits == InfRange()
        np.testing.assert_array_equal(limits.encode(np.array([1.0])), [1.0])


class TestValues:
    def test_values_convert_encode_and_decode(self):
        stage = deserialize(RIVER).groups["upper"].ds.VARS["stage"]
        np.testing.assert_allclose(stage.convert_values(["10", "20"]), [3.048, 6.096])
        with pytest.raises(ValueError, match="outside"):
            stage.convert_values([41.0])
        assert str(stage.decode(np.array([1.0])).units) == "meter"
        assert stage.magnitude(stage.quantity([1.0])).tolist() == [1.0]

    def test_discrete_values(self):
        quality = deserialize(RIVER).groups["upper"].ds.VARS["quality"]
        assert quality.encode(np.array(["bad", "?"])).tolist() == [3, 0]
        assert quality.decode(np.array([3, 1])).tolist() == ["bad", "good"]
        assert quality.valid_mask(np.array([0, 1])).tolist() == [False, True]

    def test_times(self):
        when = deserialize(RIVER).groups["upper"].ds.COORDS["when"]
        assert when.convert_values(["5/6/2024 10:00"]).tolist() == [
            np.datetime64("2024-06-05T09:00:00").item()
        ]
        assert when.valid_mask(np.array(["NaT", "2024-01-01"], "M8[s]")).tolist() == [False, True]
        assert when.get_encoding()["calendar"] == "proleptic_gregorian"
        assert DatasetSchema().is_empty

    def test_floats_and_text_know_their_missing_values(self):
        v = variable("{unit: m, na_value: -9, coords: x}")
        assert v.valid_mask(np.array([-9.0, np.nan, 1.0])).tolist() == [False, False, True]
        assert variable("{type: 'str[1]', coords: x}").valid_mask(np.array(["\uffff", "a"])).tolist() == [
            False,
            True,
        ]
