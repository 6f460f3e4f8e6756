from __future__ import annotations

import pytest

from zarr_fuse.errors import SchemaWarning, UndefinedUnitError
from zarr_fuse.schema import deserialize
from zarr_fuse.units import Unit


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("m3/s", "m**3/s"),
        ("W/m2", "W/m**2"),
        ("ug/m3", "ug/m**3"),
        ("kg m-3", "kg m**-3"),
        ("kg m-2 s-1", "kg m**-2 s**-1"),
        ("µg/m3", "µg/m**3"),
    ],
)
def test_a_power_without_stars_is_answered_by_how_to_write_it(written, meant):
    with pytest.raises(UndefinedUnitError, match="VARS/flow/unit: unknown unit") as error:
        deserialize({"VARS": {"flow": {"unit": written, "coords": "time"}}})
    assert f"did you mean {meant!r}?" in str(error.value)
    assert deserialize({"VARS": {"flow": {"unit": meant, "coords": "time"}}}).ds.VARS["flow"].unit == Unit(
        meant
    )


@pytest.mark.parametrize("written", ["CO2", "foo3", "florins", "PM10", "PM2.5", "m/", "10m3"])
def test_no_power_is_guessed_where_none_makes_a_unit(written):
    with pytest.raises(UndefinedUnitError) as error:
        deserialize({"VARS": {"flow": {"unit": written, "coords": "time"}}})
    assert "did you mean" not in str(error.value)


def test_source_units_and_units_of_steps_are_answered_too():
    with pytest.raises(UndefinedUnitError, match=r"flow/source_unit: .*'m\*\*3/s'"):
        deserialize({"VARS": {"flow": {"unit": "l/s", "source_unit": "m3/s", "coords": "time"}}})
    with pytest.raises(UndefinedUnitError, match=r"area/step_limits/2: .*'m\*\*2'"):
        deserialize({"COORDS": {"area": {"unit": "m**2", "step_limits": [1, 2, "m2"]}}})


def test_a_stored_unit_is_answered_by_a_warning():
    with pytest.warns(SchemaWarning, match=r"'m\*\*3/s'\?; read as no unit"):
        deserialize({"VARS": {"flow": {"name": "flow", "unit": "m3/s", "coords": "time"}}})
