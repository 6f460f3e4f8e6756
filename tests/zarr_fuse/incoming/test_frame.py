from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.zarr_fuse.frames import FLOAT, I64_NA, dataset, found, one
from zarr_fuse.errors import OptionError, UpdateRefusedError
from zarr_fuse.incoming.frame import convert
from zarr_fuse.schema import DatasetSchema


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
