from __future__ import annotations

import datetime as dt

import numpy as np
import pint
import pytest

from zarr_fuse import units
from zarr_fuse.errors import SchemaError
from zarr_fuse.units import DateTimeQuantity, DateTimeUnit, NoneUnit, Quantity, Unit, create_quantity


class TestUnit:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("m", "meter"),
            ("m/s", "meter * second ** -1"),
            ("N", "kg*m/s**2"),
            ("degC", "celsius"),
            ("m3/m3", ""),
        ],
    )
    def test_units_are_equal_by_meaning(self, one, other):
        assert Unit(one) == Unit(other)
        assert hash(Unit(one)) == hash(Unit(other))

    @pytest.mark.parametrize(
        ("one", "other"), [("m", "km"), ("m", "s"), ("degC", "K"), ("bool", ""), ("%", "")]
    )
    def test_units_of_another_meaning_differ(self, one, other):
        assert Unit(one) != Unit(other)

    def test_no_unit_is_not_dimensionless(self):
        assert NoneUnit() == NoneUnit()
        assert NoneUnit() != Unit("")
        assert Unit("") != NoneUnit()

    @pytest.mark.parametrize("text", ["foo", "m**", "5 m", "m +s", "kg/", "m; import os", "log(m)", "(", "'"])
    def test_unknown_units_are_named(self, text):
        with pytest.raises(units.UndefinedUnitError, match="unknown unit") as error:
            Unit(text)
        assert isinstance(error.value, SchemaError | AttributeError)

    def test_the_registry_is_that_of_all_pint_users(self):
        mine = Quantity(np.array([1, 2, 3]), "meter")
        assert np.all(pint.Quantity(np.array([100, 200, 300]), "cm") == mine)
        assert mine.unit == Unit("m")

    def test_truth_is_a_dimension(self):
        assert units.ureg.convert(1.0, "true", "bool") == 1
        assert Unit("boolean") == Unit("bool")
        assert not Unit("bool").is_compatible_with("")

    def test_affine_units_convert(self):
        np.testing.assert_allclose(units.convert(np.array([32.0]), Unit("degF"), Unit("K")), [273.15])

    def test_differences_of_affine_units(self):
        assert str(Unit("degC").delta_unit()) == "delta_degree_Celsius"
        assert Unit("m").delta_unit() == Unit("m")

    def test_default_types(self):
        assert Unit("m").default_dtype() == np.float64
        assert NoneUnit().default_dtype() is None
        assert DateTimeUnit("h").default_dtype() == np.dtype("datetime64[h]")


class TestDateTimeUnit:
    def test_encoding(self):
        assert DateTimeUnit("s").get_encoding() == {
            "units": "seconds since 1970-01-01 00:00:00",
            "calendar": "proleptic_gregorian",
            "dtype": "int64",
        }

    def test_an_abbreviation_is_a_fixed_offset(self):
        unit = DateTimeUnit("h", tz="CET")
        assert unit.tzinfo == dt.timezone(dt.timedelta(hours=1), "CET")
        assert unit.tz_shift == 1.0

    @pytest.mark.parametrize(
        ("tz", "hours"), [("+05:30", 5.5), ("-03:00", -3), (None, 0), ("Europe/Prague", 1)]
    )
    def test_zones(self, tz, hours):
        assert DateTimeUnit("h", tz=tz).tz_shift == hours

    @pytest.mark.parametrize("tz", ["IST", "CST", "Nowhere/City", "+5", "+25:00", "../etc/passwd", "", " "])
    def test_ambiguous_and_unknown_zones_are_refused(self, tz):
        if tz == "":
            assert DateTimeUnit(tz=tz) == DateTimeUnit()
            return
        with pytest.raises(SchemaError, match="zone"):
            DateTimeUnit(tz=tz)

    @pytest.mark.parametrize("tick", ["x", "", "0m", "-1s", "M", "Y", "15", "1.5h"])
    def test_unknown_ticks_are_refused(self, tick):
        with pytest.raises(SchemaError, match="tick"):
            DateTimeUnit(tick)

    def test_a_multiple_keeps_the_plain_tick(self):
        unit = DateTimeUnit("15m")
        assert (unit.tick, unit.multiple, unit.as_mapping()["tick"]) == ("m", 15, "15m")
        assert unit == DateTimeUnit("15m")
        assert unit != DateTimeUnit("m")

    def test_equality_is_by_meaning(self):
        assert DateTimeUnit("s") == DateTimeUnit("s", tz="UTC") == DateTimeUnit("s", tz="+00:00")
        assert DateTimeUnit("s", tz="CET") == DateTimeUnit("s", tz="+01:00")
        assert DateTimeUnit("s", tz="CET") != DateTimeUnit("s", tz="Europe/Prague")
        assert DateTimeUnit("s") != DateTimeUnit("ms")
        assert DateTimeUnit("s") != DateTimeUnit("s", dayfirst=True)
        assert DateTimeUnit("s").stores_like(DateTimeUnit("s", dayfirst=True))
        assert DateTimeUnit("s") != "s"

    def test_parse_gives_the_wall_clock_of_the_zone(self):
        unit = DateTimeUnit("m", tz="Europe/Prague")
        assert unit.parse("2024-07-01T12:00Z") == np.datetime64("2024-07-01T14:00")
        assert np.isnat(unit.parse("NaT"))
        with pytest.raises(ValueError, match="not a time"):
            unit.parse("12:30")

    def test_nat_and_deltas(self):
        unit = DateTimeUnit("h")
        assert np.isnat(unit.nat())
        assert unit.nat().dtype == np.dtype("datetime64[h]")
        assert unit.delta_unit() == Unit("hour")
        assert unit.delta_dtype() == np.dtype("timedelta64[h]")


class TestQuantities:
    def test_numbers_from_text(self):
        quantity = create_quantity(["1", "2.5", "3"], "meter")
        np.testing.assert_allclose(quantity.to("millimeter").magnitude, [1000, 2500, 3000])

    def test_times_from_text_in_many_forms(self):
        quantity = create_quantity(["22/01/01 00:00 CET", "21/12/31 23:00", "21/12/31T23:00Z"], {"tick": "h"})
        assert (quantity.magnitude == np.datetime64("2021-12-31T23", "h")).all()

    def test_unreadable_times_are_an_error(self):
        with pytest.raises(ValueError, match="'x' is not a time"):
            create_quantity(["2024-01-01", "x"], {"tick": "h"})

    def test_times_move_between_zones_by_the_rules_of_their_instant(self):
        quantity = create_quantity(
            ["2024-01-01 12:00", "2024-07-01 12:00"], {"tick": "s", "tz": "Europe/Prague"}
        )
        moved = quantity.to(DateTimeUnit("m"))
        assert moved.magnitude.tolist() == [
            dt.datetime.fromisoformat(f"2024-{day}") for day in ("01-01T11", "07-01T10")
        ]
        assert moved.magnitude.dtype == np.dtype("datetime64[m]")

    def test_times_without_meaning_stay_so(self):
        quantity = DateTimeQuantity(np.array(["NaT", "2024-01-01"], "datetime64[s]"), DateTimeUnit("s"))
        moved = quantity.to(DateTimeUnit("s", tz="Europe/Prague"))
        assert np.isnat(moved.magnitude).tolist() == [True, False]

    def test_a_span_may_be_added(self):
        quantity = DateTimeQuantity(np.array(["2021-12-31T23:00"], "datetime64[m]"), DateTimeUnit("m"))
        assert (quantity + Quantity(90, "minute")).magnitude[0] == np.datetime64("2022-01-01T00:30")

    def test_only_times_make_a_quantity_of_times(self):
        with pytest.raises(TypeError):
            DateTimeQuantity(np.array([1, 2]), DateTimeUnit("s"))


def test_abbreviations():
    table = units.build_tzinfos()
    assert table["CET"].utcoffset(None) == dt.timedelta(hours=1)
    assert "IST" not in table
    assert dict(units.TZINFOS) == table
    assert len(units.TZINFOS) == len(table)
