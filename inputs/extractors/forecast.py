"""Answers of a weather service for one point (GeoJSON): one row an hour, in the units of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pint
import polars as pl

from zarr_fuse.units import ureg

from .document import Element, parse

UNITS = {
    "air_temperature": "degC",
    "dew_point_temperature": "degC",
    "air_pressure_at_sea_level": "hPa",
    "cloud_area_fraction": "%",
    "cloud_area_fraction_high": "%",
    "cloud_area_fraction_medium": "%",
    "cloud_area_fraction_low": "%",
    "fog_area_fraction": "%",
    "relative_humidity": "%",
    "ultraviolet_index_clear_sky": "",
    "wind_from_direction": "deg",
    "wind_speed": "m/s",
    "precipitation_amount": "mm",
}
POSITION_COLUMNS = (("longitude", "latitude"), ("dflon", "dflat"))
ROW_SCHEMA = {
    "time": pl.Datetime("us", "UTC"),
    "longitude": pl.Float64(),
    "latitude": pl.Float64(),
    **dict.fromkeys(UNITS, pl.Float64()),
}


def extract(payload: bytes, metadata: Mapping[str, object]) -> pl.DataFrame:
    """One row an entry of the time series: what holds at its time, and the precipitation of the hour after.

    The position is that of the location row the request was made for; an answer without one is placed at its
    own GeoJSON coordinates. Parameters that UNITS does not name are left out. A ValueError names the place of
    a malformed part or of a unit that does not fit.
    """
    document = parse(payload)
    properties = document["properties"]
    longitude, latitude = _position(document, metadata.get("dataframe_row"))
    rows = [
        {"longitude": longitude, "latitude": latitude, **_row(entry)} for entry in properties["timeseries"]
    ]
    if not rows:
        raise ValueError("properties.timeseries: the answer holds no entry")
    return _in_schema_units(pl.DataFrame(rows, schema=ROW_SCHEMA), properties["meta"]["units"])


def _position(document: Element, location_row: object) -> tuple[float, float]:
    if isinstance(location_row, Mapping):
        return _position_of_row(Element(dict(location_row), "dataframe_row"))
    coordinates = document["geometry"]["coordinates"]
    longitude, latitude, *_ = [*(item.number() for item in coordinates), None, None]
    if longitude is None or latitude is None:
        raise coordinates.refused("expected longitude and latitude")
    return longitude, latitude


def _position_of_row(row: Element) -> tuple[float, float]:
    for longitude, latitude in POSITION_COLUMNS:
        if row.get(longitude) is not None and row.get(latitude) is not None:
            return _degrees(row[longitude]), _degrees(row[latitude])
    known = " or ".join(f"{longitude} and {latitude}" for longitude, latitude in POSITION_COLUMNS)
    raise row.refused(f"has no position; expected the columns {known}")


def _degrees(cell: Element) -> float:
    """Number of a cell; rows of a CSV file hold it as text."""
    try:
        return float(cell.value) if isinstance(cell.value, str) else cell.number()
    except ValueError as error:
        raise cell.refused(f"expected degrees, found {cell.value!r}") from error


def _row(entry: Element) -> dict[str, object]:
    data = entry["data"]
    details = [data["instant"]["details"]]
    if (next_hour := data.get("next_1_hours")) and (amounts := next_hour.get("details")):
        details.append(amounts)
    return {"time": _time(entry["time"]), **_values(details)}


def _values(details: Iterable[Element]) -> dict[str, float]:
    found = ((name, part.get(name)) for part in details for name in UNITS)
    return {name: value.number() for name, value in found if value is not None}


def _time(time: Element) -> datetime:
    try:
        moment = datetime.fromisoformat(time.text())
    except ValueError as error:
        raise time.refused(f"expected an ISO 8601 time, found {time.value!r}") from error
    if moment.tzinfo is None:
        raise time.refused(f"expected a time with its offset, found {time.value!r}")
    return moment.astimezone(UTC)


def _in_schema_units(frame: pl.DataFrame, units: Element) -> pl.DataFrame:
    filled = [name for name in UNITS if frame[name].null_count() < frame.height]
    return frame.with_columns(_converted(frame[name], units[name]) for name in filled)


def _converted(values: pl.Series, unit: Element) -> pl.Series:
    wanted = UNITS[values.name]
    try:
        converted = ureg.Quantity(values.to_numpy(), unit.text()).to(wanted)
    except (pint.DimensionalityError, pint.UndefinedUnitError, pint.DefinitionSyntaxError) as error:
        raise unit.refused(f"{unit.value!r} cannot be converted to {wanted or 'a plain number'!r}") from error
    return pl.Series(values.name, converted.magnitude, nan_to_null=True)
