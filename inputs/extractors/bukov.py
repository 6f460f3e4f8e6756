"""Messages of borehole loggers: every reading becomes a row at its own time and depth.

======================  =============================================  ==========
sensor label            variable                                       depth
======================  =============================================  ==========
``0.05m`` … ``15mA``    rock_temp                                      the number
``15mB``                rock_temp_b                                    the number
``RVT13-T-Vzduch``      air_temp                                       0
``RVT13``               air_humidity                                   0
``rezerva``             spare_temp                                     0
``Napětí akumulátoru``  battery_voltage, battery_voltage_b by channel  0
======================  =============================================  ==========
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from .document import Element, parse

LOCATIONS_PATH = Path(__file__).parents[1] / "locations" / "boreholes.csv"
PLAUSIBLE_MS = range(946_684_800_000, 4_102_444_800_000)
DEPTH_LABEL = re.compile(r"(?P<depth>\d+(?:\.\d+)?)m(?P<sensor>[AB]?)")
VARIABLES_OF_LABEL = {
    "RVT13-T-Vzduch": ("air_temp",),
    "RVT13": ("air_humidity",),
    "rezerva": ("spare_temp",),
    "Napětí akumulátoru": ("battery_voltage", "battery_voltage_b"),
}
VARIABLES = ("rock_temp", "rock_temp_b", *(name for names in VARIABLES_OF_LABEL.values() for name in names))
ROW_SCHEMA = {
    "date_time": pl.Datetime("ms", "UTC"),
    "borehole": pl.String(),
    "depth": pl.Float64(),
    **dict.fromkeys(VARIABLES, pl.String()),
}


class Channel(NamedTuple):
    """One sensor of a site: its readings, and the variable and depth (m) they belong to."""

    variable: str
    depth: float
    readings: Element


def extract(payload: bytes, metadata: Mapping[str, object]) -> pl.DataFrame:  # noqa: ARG001
    """One row a reading; values stay text, so that the merge names each one that is no number.

    A ValueError names the place of a malformed part or of a sensor nobody described.
    """
    rows = [row for site in parse(payload)["data"] for row in _site_rows(site)]
    if not rows:
        raise ValueError("data: the message holds no reading")
    frame = pl.DataFrame(rows, schema=ROW_SCHEMA)
    return frame.join(_locations(), on="borehole", how="left", maintain_order="left")


def _site_rows(site: Element) -> Iterator[dict[str, object]]:
    borehole = site["metadata"]["label"].text()
    for channel in _channels(site["data"]):
        for reading in channel.readings:
            yield {
                "date_time": _epoch_ms(reading["t"]),
                "borehole": borehole,
                "depth": channel.depth,
                channel.variable: _value(reading),
            }


def _channels(sensors: Element) -> Iterator[Channel]:
    by_label: dict[str, list[Element]] = defaultdict(list)
    for sensor in sensors:
        by_label[sensor["metadata"]["label"].text()].append(sensor)
    for label, same_label in by_label.items():
        variables, depth = _place_of(label, same_label[0])
        if len(same_label) > len(variables):
            raise same_label[-1].refused(f"sensor {label!r} occurs {len(same_label)} times in one site")
        for variable, sensor in zip(variables, _by_channel(same_label), strict=False):
            yield Channel(variable, depth, sensor["data"])


def _place_of(label: str, sensor: Element) -> tuple[tuple[str, ...], float]:
    if label in VARIABLES_OF_LABEL:
        return VARIABLES_OF_LABEL[label], 0.0
    if found := DEPTH_LABEL.fullmatch(label):
        return ("rock_temp_b" if found["sensor"] == "B" else "rock_temp",), float(found["depth"])
    known = ", ".join(VARIABLES_OF_LABEL)
    raise sensor.refused(f"unknown sensor {label!r}; known are depths such as 0.5m or 15mA, and {known}")


def _by_channel(sensors: Iterable[Element]) -> list[Element]:
    """Sensors of one label in the order of their channel ids (``1-13-14-0-0``), wherever they stand."""
    sensors = list(sensors)
    if len(sensors) == 1:
        return sensors
    return sorted(sensors, key=_channel_numbers)


def _channel_numbers(sensor: Element) -> list[int]:
    channel = sensor["metadata"]["id"]
    try:
        return [int(part) for part in channel.text().split("-")]
    except ValueError as error:
        raise channel.refused(f"expected numbers joined by '-', found {channel.value!r}") from error


def _epoch_ms(time: Element) -> int:
    if time.integer() not in PLAUSIBLE_MS:
        raise time.refused(f"expected milliseconds since 1970 within 2000–2099, found {time.value}")
    return time.integer()


def _value(reading: Element) -> str | None:
    """Text of the reading; a flagged one carries its flag, so that the merge refuses it by name."""
    value, flag = reading["v"], reading.get("e")
    if value.value is None:
        return None
    text = value.value if isinstance(value.value, str) else str(value.number())
    return text if flag is None or str(flag.value) == "0" else f"{text} (logger error {flag.value})"


@lru_cache(maxsize=1)
def _locations() -> pl.DataFrame:
    columns = {"borehole": pl.String(), "longitude": pl.Float64(), "latitude": pl.Float64()}
    return pl.read_csv(LOCATIONS_PATH, schema=columns)
