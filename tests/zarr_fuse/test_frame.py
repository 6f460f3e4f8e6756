from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from zarr_fuse.errors import OptionError, SchemaWarning, UpdateRefusedError
from zarr_fuse.frame import Converted, convert
from zarr_fuse.schema import DatasetSchema, deserialize
from zarr_fuse.units import DateTimeUnit

I8_NA, I64_NA, U64_NA = -128, -(2**63), 2**64 - 1


def dataset(text: str) -> DatasetSchema:
    return deserialize(text).ds


def one(document: str, column: object, **options: str) -> Converted:
    """A variable `v` over the coordinate `x` (0, 1, …), converted from one column."""
    schema = dataset(f"VARS: {{v: {document}}}\nCOORDS: {{x: {{type: int64, unit: ''}}}}")
    values = column if isinstance(column, pl.Series) else pl.Series("v", column, strict=False)
    return convert(pl.DataFrame({"x": range(len(values)), "v": values}), schema, **options)


def found(converted: Converted) -> list[tuple[int | None, str | None, str, str | None]]:
    return [(f.row, f.column, f.kind, f.value) for f in converted.findings.rejected()]


FLOAT = "{unit: '', coords: x}"


def kinds(converted: Converted) -> list[tuple[int | None, str]]:
    return [(f.row, f.kind) for f in converted.findings.rejected()]


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


class TestDiscrete:
    LABELS = "{type: 'str[10]', unit: '', coords: x, range: {discrete: [good, suspect, bad]}}"

    def test_labels_become_codes_from_one(self):
        done = one(self.LABELS, ["bad", "good", None, "odd", "suspect"])
        assert done.columns["v"].tolist() == [3, 1, 0, 0, 2]
        assert done.columns["v"].dtype == np.int64
        assert found(done) == [(3, "v", "not_in_set", "odd")]

    def test_numbers_and_times_may_be_labels(self):
        assert one("{type: int32, coords: x, range: {discrete: [30, 10, 20]}}", ["10", "15"]).columns[
            "v"
        ].tolist() == [2, 0]
        times = "{unit: {tick: D}, coords: x, range: {discrete: [2024-01-02, 2024-01-01]}}"
        assert one(times, ["2024-01-01 13:00", "2024-01-03"]).columns["v"].tolist() == [2, 0]

    def test_on_a_coordinate_the_label_itself_is_stored(self):
        schema = dataset(
            "VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: int64, range: {discrete: [30, 10]}}}"
        )
        done = convert(pl.DataFrame({"x": [10, 30, 20], "v": [1.0, 2.0, 3.0]}), schema)
        assert done.columns["x"].tolist() == [10, 30, I64_NA]
        assert done.keep.tolist() == [True, True, False]
        assert found(done) == [(2, "x", "coordinate_out_of_range", "20")]

    def test_the_list_may_stand_in_a_file_beside_the_schema(self, tmp_path):
        (tmp_path / "levels.csv").write_text("name,depth\na,1\nb,2.5\n", encoding="utf-8")
        path = tmp_path / "river.yaml"
        path.write_text(
            "VARS: {v: {unit: m, source_unit: km, df_col: depth, coords: x, range: {discrete: levels.csv}}}\n"
            "COORDS: {x: {type: int64}}",
            encoding="utf-8",
        )
        done = convert(pl.DataFrame({"x": [0, 1], "depth": [2.5, 3.0]}), deserialize(path).ds)
        assert done.columns["v"].tolist() == [2, 0]


class TestText:
    def test_long_text_is_cut_and_reported(self):
        done = one("{type: 'str[3]', coords: x}", ["abc", "abcd", "žluť", None, ""])
        assert done.columns["v"].tolist() == ["abc", "abc", "žlu", "\uffff" * 3, ""]
        assert kinds(done) == [(1, "text_cut"), (2, "text_cut")]

    def test_numbers_are_written_out(self):
        assert one("{type: 'str[8]', coords: x}", [12, 7]).columns["v"].tolist() == ["12", "7"]

    def test_a_closing_nul_cannot_be_stored(self):
        done = one("{type: 'str[3]', coords: x}", ["ab\0", "a\0b"])
        assert done.columns["v"].tolist() == ["\uffff" * 3, "a\0b"]
        assert kinds(done) == [(0, "not_representable")]

    def test_an_empty_text_is_no_label(self):
        schema = dataset("VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: 'str[4]'}}")
        done = convert(pl.DataFrame({"x": ["a", "", None], "v": [1.0, 2.0, 3.0]}), schema)
        assert done.keep.tolist() == [True, False, False]
        assert kinds(done) == [(1, "coordinate_missing"), (2, "coordinate_missing")]


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


class TestFrames:
    def test_the_same_table_gives_the_same_arrays_from_polars_and_pandas(self):
        schema = dataset(
            "VARS: {v: {unit: m, coords: x}, s: {type: 'str[5]', coords: x}, n: {type: int64, coords: x}}\n"
            "COORDS: {x: {unit: {tick: ms}}}"
        )
        rows = {
            "x": ["2024-01-01", "2024-01-02", "x", None],
            "v": [1.5, None, 2.5, 3.5],
            "s": ["a", None, "toolong", ""],
            "n": ["9007199254740993", "1.5", "", None],
        }
        one_way, other = convert(pl.DataFrame(rows), schema), convert(pd.DataFrame(rows), schema)
        for name, column in one_way.columns.items():
            np.testing.assert_array_equal(column, other.columns[name])
        assert found(one_way) == found(other)

    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            (pd.Series([1, None], dtype="Int64"), [1, I64_NA]),
            (pd.Series([2**53 + 1, None], dtype="object"), [2**53 + 1, I64_NA]),
            (pd.Series([2**53 + 1, 1.0], dtype="object"), [2**53 + 1, 1]),
            (pd.Series(["7", 8], dtype="object"), [7, 8]),
            (pd.Series(["7", None], dtype="category"), [7, I64_NA]),
            (pd.Series([7, None], dtype="category"), [7, I64_NA]),
            (pd.Series([True, None], dtype="boolean"), [1, I64_NA]),
            (pd.Series([Decimal("7.0"), Decimal("8")]), [7, 8]),
            (pd.Series([7.0, np.nan]), [7, I64_NA]),
            (pd.Series([2**64, 5], dtype="object"), [I64_NA, 5]),
            (pd.Series([7, 8], dtype="int64[pyarrow]"), [7, 8]),
        ],
    )
    def test_pandas_types_of_numbers(self, column, expected):
        schema = dataset("VARS: {v: {type: int64, coords: x}}\nCOORDS: {x: {type: int64}}")
        done = convert(pd.DataFrame({"x": [0, 1], "v": column}), schema)
        assert done.columns["v"].tolist() == expected

    @pytest.mark.parametrize(
        "column",
        [
            pd.Series(pd.to_datetime(["2024-07-01 12:00", None])),
            pd.Series(pd.to_datetime(["2024-07-01 14:00", None])).dt.tz_localize("Europe/Prague"),
            pd.Series(pd.to_datetime(["2024-07-01 14:00", None])).dt.tz_localize("+02:00"),
            pd.Series(pd.to_datetime(["2024-07-01 12:00", None])).astype("datetime64[s]"),
            pd.Series([dt.datetime(2024, 7, 1, 14, tzinfo=ZoneInfo("Europe/Prague")), None], dtype="object"),
            pd.Series([dt.datetime.fromisoformat("2024-07-01T12:00"), None], dtype="object"),
            pd.Series([pd.Timestamp("2024-07-01 12:00"), pd.NaT], dtype="object"),
            pd.Series(["2024-07-01 12:00", "NaT"]),
        ],
    )
    def test_pandas_types_of_times(self, column):
        schema = dataset("VARS: {v: {unit: {tick: s}, coords: x}}\nCOORDS: {x: {type: int64}}")
        done = convert(pd.DataFrame({"x": [0, 1], "v": column}), schema)
        assert done.columns["v"].tolist() == [1719835200, I64_NA]
        assert not done.findings

    def test_pandas_complex_numbers(self):
        schema = dataset("VARS: {v: {type: complex64, unit: '', coords: x}}\nCOORDS: {x: {type: int64}}")
        done = convert(pd.DataFrame({"x": [0, 1], "v": [1 + 2j, np.nan]}), schema)
        assert done.columns["v"].dtype == np.complex64
        assert done.columns["v"][0] == 1 + 2j
        assert np.isnan(done.columns["v"][1])

    @pytest.mark.parametrize(
        "column",
        [
            pl.Series([[1], [2]]),
            pl.Series([{"a": 1}, {"a": 2}]),
            pl.Series([b"a", b"b"]),
            pl.Series([dt.time(1), dt.time(2)]),
            pl.Series([dt.timedelta(1), dt.timedelta(2)]),
            pl.Series([object(), object()], dtype=pl.Object),
        ],
    )
    @pytest.mark.parametrize(
        "document", [FLOAT, "{type: 'str[3]', coords: x}", "{unit: {tick: s}, coords: x}"]
    )
    def test_columns_without_values_refuse_the_frame(self, column, document):
        with pytest.raises(UpdateRefusedError, match="v: column 'v'"):
            one(document, column)

    @pytest.mark.parametrize("cells", [[[1], [2]], [{"a": 1}, 2], [b"a", b"b"], [object(), object()]])
    def test_pandas_objects_without_values_refuse_the_frame(self, cells):
        schema = dataset("VARS: {v: {type: int64, coords: x}}\nCOORDS: {x: {type: int64}}")
        with pytest.raises(UpdateRefusedError, match="v: column 'v'"):
            convert(pd.DataFrame({"x": [0, 1], "v": pd.Series(cells, dtype="object")}), schema)

    @pytest.mark.parametrize("frame", [{"x": [1]}, [1], None, pl.LazyFrame({"x": [1]}), pd.Series([1])])
    def test_anything_else_is_a_type_error(self, frame):
        with pytest.raises(TypeError, match="polars or pandas DataFrame"):
            convert(frame, DatasetSchema())

    def test_a_pandas_index_is_no_column(self):
        schema = dataset("VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: int64}}")
        with pytest.raises(UpdateRefusedError, match="no column 'x'"):
            convert(pd.DataFrame({"v": [1.0]}, index=pd.Index([5], name="x")), schema)

    def test_a_column_that_stands_there_twice_refuses_the_frame(self):
        schema = dataset("VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {type: int64}}")
        frame = pd.DataFrame([[0, 1.0, 2.0]], columns=["x", "v", "v"])
        with pytest.raises(UpdateRefusedError, match="several columns"):
            convert(frame, schema)

    def test_slices_and_categories_of_polars(self):
        text = pl.Series(["skip", "b", "a", "b", None], dtype=pl.Categorical)[1:]
        done = one("{type: 'str[2]', coords: x}", text)
        assert done.columns["v"].tolist() == ["b", "a", "b", "\uffff" * 2]

    def test_unknown_treatment_of_bad_rows(self):
        with pytest.raises(OptionError):
            one(FLOAT, [1.0], on_bad_rows="ignore")
