from __future__ import annotations

import polars as pl
import pytest

from tests.zarr_fuse.frames import dataset, one
from zarr_fuse.incoming.frame import convert

FAHRENHEIT = "{unit: degC, source_unit: degF, coords: x, range: {interval: [-40, 80]}}"


def told(document, column):
    """The row and the message of each finding."""
    return [(finding.row, finding.message) for finding in one(document, column).findings.rejected()]


def test_a_decimal_comma_is_told_from_what_is_no_number_at_all():
    number = "not a number, as float64 needs"
    assert told("{unit: m, coords: x}", ["1,5", "1.5", "north", " -12,25 ", "1,234.5"]) == [
        (0, f"{number}; the decimal mark is a point"),
        (2, number),
        (3, f"{number}; the decimal mark is a point"),
        (4, number),
    ]


@pytest.mark.parametrize("column", [["1.5", "300"], [1.5, 300.0]])
def test_what_an_integer_type_holds_is_said_where_a_value_does_not_fit(column):
    holds = "uint8 holds whole numbers from 0 to 255"
    assert told("{unit: m, type: uint8, coords: x}", column) == [(0, holds), (1, holds)]


def test_a_limit_is_said_to_hold_for_the_converted_value():
    assert told(FAHRENHEIT, ["212", "100"]) == [
        (0, "outside [-40, 80] degree_Celsius when converted from degree_Fahrenheit")
    ]
    assert told("{unit: m, coords: x, range: {interval: [0, 5]}}", [7]) == [(0, "outside [0, 5] meter")]


@pytest.mark.parametrize("times", [["1767225600000", "2999-01-01"], [1767225600000, 2**40]])
def test_a_count_in_the_wrong_unit_is_told_the_unit(times):
    schema = dataset("VARS: {v: {unit: m, coords: t}}\nCOORDS: {t: {unit: {tick: s}}}")
    done = convert(pl.DataFrame({"t": times, "v": [0, 1]}), schema)
    hints = ["counts s since 1970" in finding.message for finding in done.findings.rejected()]
    assert hints == [True, isinstance(times[1], int)]


def test_findings_of_several_sorts_stay_in_the_order_of_rows():
    rows = [row for row, _ in told("{unit: m, coords: x}", ["a", "1,5", "b", "2,5"])]
    assert rows == [0, 1, 2, 3]


def test_the_column_is_named_where_it_is_called_otherwise_than_its_variable():
    schema = dataset(
        "VARS: {v: {unit: m, df_col: Level, coords: t}}\nCOORDS: {t: {type: int8, df_col: 't (s)'}}"
    )
    done = convert(pl.DataFrame({"t (s)": ["0", "x"], "Level": ["wet", "1"]}), schema)
    assert {finding.column: finding.message for finding in done.findings.rejected()} == {
        "v": "column 'Level': not a number, as float64 needs",
        "t": "column 't (s)': not a number, as int8 needs",
    }
