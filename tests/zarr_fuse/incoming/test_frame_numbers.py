from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from tests.zarr_fuse.frames import FLOAT, I8_NA, I64_NA, found, kinds, one
from zarr_fuse.errors import UpdateRefusedError


class TestNumbers:
    def test_text_becomes_numbers_and_blanks_around_do_not_matter(self):
        done = one(FLOAT, ["1.5", " 2 ", "\t-3e2", "+.5", "1.", "inf"])
        np.testing.assert_array_equal(done.columns["v"], [1.5, 2.0, -300.0, 0.5, 1.0, np.inf])
        assert not done.findings

    def test_missing_cells_are_no_findings(self):
        done = one(FLOAT, [None, "", "  ", "nan", "NaN", "NaT", "nat"])
        assert np.isnan(done.columns["v"]).all()
        assert not done.findings
        assert done.keep.all()

    def test_an_unreadable_cell_is_lost_alone(self):
        done = one(FLOAT, ["1", "x", "1,5", "0x10", "1_000", "2"])
        np.testing.assert_array_equal(done.columns["v"], [1, *[np.nan] * 4, 2])
        assert kinds(done) == [(row, "not_convertible") for row in (1, 2, 3, 4)]
        assert done.keep.all()

    def test_a_number_too_large_for_a_double_is_not_infinity(self):
        assert kinds(one(FLOAT, ["1e400", "inf"])) == [(0, "not_representable")]

    def test_a_double_too_large_for_a_narrow_float_is_not_infinity(self):
        done = one("{type: float32, unit: '', coords: x}", [1e300, 1.5])
        assert kinds(done) == [(0, "not_representable")]
        assert done.columns["v"].dtype == np.float32

    def test_booleans_and_decimals_are_numbers(self):
        np.testing.assert_array_equal(one(FLOAT, [True, False]).columns["v"], [1, 0])
        decimals = pl.Series([Decimal("1.25"), None], dtype=pl.Decimal(10, 2))
        np.testing.assert_array_equal(one(FLOAT, decimals).columns["v"], [1.25, np.nan])

    def test_integers_are_exact_to_the_last_unit(self):
        big = [2**63 - 1, -(2**63) + 1, 2**53 + 1]
        for column in (big, [str(value) for value in big], [f"{value}.000" for value in big]):
            assert one("{type: int64, coords: x}", column).columns["v"].tolist() == big

    def test_unsigned_integers_are_exact_to_the_last_unit(self):
        big = [2**64 - 2, 0]
        for column in (pl.Series(big, dtype=pl.UInt64), [str(value) for value in big]):
            assert one("{type: uint64, coords: x}", column).columns["v"].tolist() == big

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("12e3", 12_000),
            ("1500e-2", 15),
            ("9007199254740993e0", 9007199254740993),
            ("9.007199254740993e15", 9007199254740993),
            ("0.00", 0),
            ("-0", 0),
            ("000012", 12),
            ("-7.", -7),
            ("0e99", 0),
        ],
    )
    def test_whole_numbers_in_any_notation(self, text, number):
        done = one("{type: int64, coords: x}", [text])
        assert (done.columns["v"].tolist(), len(done.findings)) == ([number], 0)

    @pytest.mark.parametrize(
        "text", ["1.5", "9223372036854775808", "1e30", "-1e19", "1e-1", "inf", "1e999999999"]
    )
    def test_fractions_and_overflows_are_not_representable(self, text):
        done = one("{type: int64, coords: x}", [text, "1"])
        assert done.columns["v"].tolist() == [I64_NA, 1]
        assert found(done) == [(0, "v", "not_representable", text)]

    @pytest.mark.parametrize("text", ["x", ".", "e5", "1 2", "--1", "1e", "+", "0x1"])
    def test_what_is_no_number_is_not_convertible(self, text):
        assert kinds(one("{type: int64, coords: x}", [text])) == [(0, "not_convertible")]

    def test_floats_are_integers_only_without_fraction(self):
        done = one("{type: int8, coords: x}", [1.0, 1.5, 127.0, 128.0, np.nan, np.inf, -127.0])
        assert done.columns["v"].tolist() == [1, I8_NA, 127, I8_NA, I8_NA, I8_NA, -127]
        assert kinds(done) == [(row, "not_representable") for row in (1, 3, 5)]

    @pytest.mark.parametrize("value", [-1, 2**32, 2**63])
    def test_integers_outside_a_narrow_type_are_not_representable(self, value):
        assert kinds(one("{type: uint32, coords: x}", pl.Series([value], dtype=pl.Int128))) == [
            (0, "not_representable")
        ]

    def test_the_missing_value_itself_is_missing(self):
        done = one("{type: int64, na_value: -999, coords: x}", ["-999", "-998"])
        assert done.columns["v"].tolist() == [-999, -998]
        assert not done.findings
        done = one("{unit: m, source_unit: ft, na_value: -999, coords: x}", [-999.0, 1.0])
        assert done.columns["v"].tolist() == [-999, pytest.approx(0.3048)]

    def test_truth_texts_count_where_truth_is_meant(self):
        assert one("{type: bool, coords: x}", ["true", "False", "1", None]).columns["v"].tolist() == [
            1,
            0,
            1,
            I8_NA,
        ]
        np.testing.assert_array_equal(one("{unit: bool, coords: x}", ["TRUE", "false"]).columns["v"], [1, 0])
        assert kinds(one(FLOAT, ["true"])) == [(0, "not_convertible")]

    def test_complex_numbers(self):
        done = one(
            "{type: complex, unit: '', coords: x}", ["1+2j", "2j", "-j", "3", "(1.5-1e1j)", "x", "", "1+j2"]
        )
        expected = [1 + 2j, 2j, -1j, 3, 1.5 - 10j]
        np.testing.assert_array_equal(done.columns["v"][:5], expected)
        assert np.isnan(done.columns["v"][5:]).all()
        assert kinds(done) == [(5, "not_convertible"), (7, "not_convertible")]


class TestUnits:
    def test_affine_units_convert(self):
        done = one("{unit: K, source_unit: degF, coords: x}", ["32", "212"])
        np.testing.assert_allclose(done.columns["v"], [273.15, 373.15])

    def test_integers_are_rounded_after_a_conversion(self):
        done = one("{unit: m, source_unit: ft, type: int32, coords: x}", [10, 100, 10**10])
        assert done.columns["v"].tolist()[:2] == [3, 30]
        assert kinds(done) == [(2, "not_representable")]

    def test_whole_factors_keep_integers_exact(self):
        done = one("{unit: m, source_unit: km, type: int64, coords: x}", ["9007199254740993", "1"])
        assert done.columns["v"].tolist() == [9007199254740993000, 1000]

    @pytest.mark.parametrize(
        ("unit", "source"), [("m", "s"), ("m", "{tick: s}"), ("{tick: s}", "s"), ("bool", "m")]
    )
    def test_a_wrong_dimension_refuses_the_frame(self, unit, source):
        with pytest.raises(UpdateRefusedError, match="v: column 'v'"):
            one(f"{{unit: {unit}, source_unit: {source}, coords: x}}", ["1"])

    def test_ranges_apply_after_conversion_and_borders_belong(self):
        done = one(
            "{unit: m, source_unit: ft, coords: x, range: {interval: [0, 40, ft]}}",
            ["0", "40", "40.001", "-1"],
        )
        np.testing.assert_allclose(done.columns["v"][:2], [0, 12.192])
        assert kinds(done) == [(2, "out_of_range"), (3, "out_of_range")]

    def test_missing_lies_inside_every_range(self):
        assert not one("{unit: m, coords: x, range: {interval: [5, 6]}}", [None, np.nan, 5.0]).findings

    def test_a_number_that_does_not_fit_leaves_the_others_exact(self):
        values = ["9007199254740993", "1e18", None, "0.5", "x", "-9223372036854775808"]
        done = one("{unit: m, source_unit: km, type: int64, coords: x}", values)
        assert done.columns["v"].tolist()[:4] == [9007199254740993000, -(2**63), -(2**63), 500]
        assert kinds(done) == [(1, "not_representable"), (4, "not_convertible")]

    def test_integer_ranges_are_exact(self):
        limit = 2**53
        done = one(f"{{type: int64, coords: x, range: {{interval: [0, {limit}]}}}}", [limit, limit + 1])
        assert kinds(done) == [(1, "out_of_range")]
