"""Writes the sample data of the demo: ``python tools/make_samples.py [FOLDER]`` (default inputs/samples).

The folder below it is the endpoint, folders below that are the node path, and files are uploaded in the order
of their names. What the name calls broken is refused at the door or fails later.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
BOREHOLE_DEPTHS = ("0.05m", "0.5m", "1m", "2m", "3m", "4m", "6m", "8m", "10m", "15mA", "15mB")
Row = dict[str, Any]


def main() -> None:
    """Write every sample file below the folder of the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "inputs" / "samples"
    samples = weather_files() | sensor_files() | tree_files() | borehole_files() | forecast_files()
    for name, text in samples.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def weather_files() -> dict[str, str]:
    """A month of two stations; two days of one arrive late, four days arrive twice, four files are broken."""
    north, south = station_month("north", 15, 11.0), station_month("south", 60, 14.5)
    late = [row for row in north if row["time"][:10] in {"2026-10-13", "2026-10-14"}]
    in_time = [row for row in [*north, *south] if row not in late]
    parts = [
        csv_text(row for row in in_time if (int(row["time"][8:10]) - 1) // 4 == part) for part in range(8)
    ]
    files = {
        f"weather/{part + 1:02}_days_from_{part * 4 + 1:02}.csv": text for part, text in enumerate(parts)
    }
    return files | {
        "weather/09_late_days.csv": csv_text(late),
        "weather/10_sent_again.csv": parts[2],
        "weather/11_broken_cells.csv": csv_text(with_broken_cells(station_month("east", 60, 9.0)[:24])),
        "weather/12_broken_no_station.csv": csv_text({**row, "station": None} for row in north[:4]).replace(
            "station,", ""
        ),
        "weather/13_broken_ragged.csv": csv_text(north[:4]) + "2026-10-01T01:00:00Z,north,9.1\n",
        "weather/14_broken_no_rows.csv": csv_text(north[:1]).splitlines()[0] + "\n",
    }


def station_month(station: str, step_minutes: int, mean_degc: float) -> list[Row]:
    """October of one station: a daily wave, a slow drift and noise."""
    noise = random.Random(f"weather {station}")
    times = [OCTOBER + timedelta(minutes=step_minutes * step) for step in range(31 * 24 * 60 // step_minutes)]
    return [weather_row(station, time, mean_degc, noise) for time in times]


def weather_row(station: str, time: datetime, mean_degc: float, noise: random.Random) -> Row:
    """One reading of a station."""
    day = (time - OCTOBER) / timedelta(days=1)
    wave = math.sin(2 * math.pi * (day - 0.375))
    temperature = mean_degc + 5 * wave - 0.15 * day + noise.gauss(0, 0.3)
    return {
        "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "station": station,
        "temperature": round(temperature, 2),
        "humidity": round(min(100.0, max(20.0, 75 - 15 * wave + noise.gauss(0, 2))), 1),
        "pressure": round(965 + 8 * math.sin(day / 3) + noise.gauss(0, 0.2), 1),
        "wind_speed": round(abs(noise.gauss(12, 6)), 1),
        "precipitation": round(noise.expovariate(1.2), 1) if noise.random() < 0.06 else 0.0,
    }


def with_broken_cells(rows: list[Row]) -> list[Row]:
    """The same rows with text, a comma, an impossible value and an impossible time in some cells."""
    rows[3]["temperature"] = "n/a"
    rows[7]["humidity"] = "--"
    rows[11]["pressure"] = "9651.0"
    rows[15]["wind_speed"] = "12 m/s"
    rows[19]["time"] = "2026-10-32T19:00:00Z"
    return rows


def sensor_files() -> dict[str, str]:
    """Two weeks of three soil sensors, local time, day first; two files are broken, one of them far down."""
    weeks = {week: [row for sensor in "ABC" for row in soil_rows(sensor, week)] for week in (0, 1)}
    near, far = soil_rows("D", 0)[:48], [row for week in range(7) for row in soil_rows("E", week)]
    near[30]["moisture"] = far[1100]["moisture"] = "wet"
    return {
        "sensor/01_first_week.csv": csv_text(weeks[0]),
        "sensor/02_second_week.csv": csv_text(weeks[1]),
        "sensor/03_broken_cell.csv": csv_text(near),
        "sensor/04_broken_far_cell.csv": csv_text(far),
    }


def soil_rows(sensor: str, week: int) -> list[Row]:
    """One week of an hourly soil sensor."""
    noise = random.Random(f"soil {sensor} {week}")
    hours = [OCTOBER + timedelta(weeks=week, hours=hour) for hour in range(7 * 24)]
    return [
        {
            "time": f"{time.astimezone(ZoneInfo('Europe/Prague')):%d/%m/%Y %H:%M}",
            "sensor": f"soil-{sensor}",
            "moisture": round(28 - 0.02 * hour + noise.gauss(0, 0.2), 2),
            "temperature": round(54 + 3 * math.sin(2 * math.pi * hour / 24) + noise.gauss(0, 0.2), 2),
            "quality": noise.choices(["good", "suspect", "bad"], [95, 4, 1])[0],
        }
        for hour, time in enumerate(hours)
    ]


def tree_files() -> dict[str, str]:
    """Two days of sap flow at each level of the tree; one file is cut off, one goes to an unknown node."""
    levels = ("tree", "tree/a", "tree/a/b", "tree/a/b/c")
    files = {f"{level}/01_two_days.json": json_text(sap_rows(level)) for level in levels}
    return files | {
        "tree/a/02_broken_cut_off.json": json_text(sap_rows("cut"))[:-20],
        "tree/a/x/01_broken_unknown_node.json": json_text(sap_rows("x")[:4]),
    }


def sap_rows(level: str) -> list[Row]:
    """Hourly records of two gauges."""
    noise = random.Random(f"sap {level}")
    return [
        {
            "time": f"{OCTOBER + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}",
            "height": height,
            "sap_flow": round(max(0.0, 900 * math.sin(math.pi * (hour % 24 - 6) / 12)) + noise.random(), 1),
            "stem_radius": round(150 - 10 * height + hour / 500 + noise.gauss(0, 0.01), 3),
        }
        for hour in range(48)
        for height in (1.3, 4.0)
    ]


def borehole_files() -> dict[str, str]:
    """Messages of two boreholes, one with a flagged reading; two messages are malformed."""
    messages = {
        f"bukov/{part + 1:02}_{site}.json": borehole_message(site, part)
        for site in ("S1", "S2")
        for part in (0, 1, 2)
    }
    flagged = borehole_message("S2", 3)
    readings_of(flagged, 2)[1]["e"] = "3"
    untimed = borehole_message("S1", 3)
    readings_of(untimed, 4)[2]["t"] = "yesterday"
    unknown = borehole_message("S1", 4)
    unknown["data"][0]["data"][5]["metadata"]["label"] = "tilt"
    messages |= {
        "bukov/04_S2_flagged.json": flagged,
        "bukov/05_broken_time.json": untimed,
        "bukov/06_broken_unknown_sensor.json": unknown,
    }
    return {name: json_text(message) for name, message in messages.items()}


def borehole_message(site: str, part: int) -> Row:
    """Six hours of all sensors of one logger; the deep ones have sent one reading more."""
    noise = random.Random(f"borehole {site} {part}")
    sensors = [
        sensor(f"1-4-{channel}-0-0", label, part, 12 + (channel > 8), lambda: 15 + noise.gauss(0, 0.1))
        for channel, label in enumerate(BOREHOLE_DEPTHS)
    ]
    sensors += [
        sensor("1-4-11-0-0", "rezerva", part, 12, lambda: 15.4 + noise.gauss(0, 0.05)),
        sensor("1-4-13-0-0", "RVT13-T-Vzduch", part, 12, lambda: 15.2 + noise.gauss(0, 0.2)),
        sensor("1-13-14-0-0", "Napětí akumulátoru", part, 12, lambda: 12.1 + noise.gauss(0, 0.02)),
        sensor("1-13-15-0-0", "Napětí akumulátoru", part, 12, lambda: 12.6 + noise.gauss(0, 0.02)),
        sensor("1-5-12-0-0", "RVT13", part, 12, lambda: 99.9),
    ]
    noise.shuffle(sensors)
    return {"data": [{"data": sensors, "metadata": {"label": f"DEMO-{site}"}}]}


def sensor(channel: str, label: str, part: int, count: int, value: Callable[[], float]) -> Row:
    """Half-hourly readings of one sensor."""
    start = OCTOBER + timedelta(hours=6 * part)
    times = [start + timedelta(minutes=30 * step) for step in range(count)]
    readings = [{"t": int(time.timestamp() * 1000), "v": f"{value():.3f}", "e": "0"} for time in times]
    return {"data": readings, "metadata": {"id": channel, "label": label}}


def readings_of(message: Row, position: int) -> list[Row]:
    """Readings of the sensor that stands at a position of the message."""
    readings: list[Row] = message["data"][0]["data"][position]["data"]
    return readings


def forecast_files() -> dict[str, str]:
    """Answers for two points, and one whose temperature is a length."""
    return {
        "forecast/01_hilltop.json": json_text(forecast_answer(14.89, 50.87, "celsius")),
        "forecast/02_valley.json": json_text(forecast_answer(14.95, 50.84, "celsius")),
        "forecast/03_broken_unit.json": json_text(forecast_answer(14.89, 50.87, "m")),
    }


def forecast_answer(longitude: float, latitude: float, temperature_unit: str) -> Row:
    """Two days of hourly forecasts for one point."""
    noise = random.Random(f"forecast {longitude} {latitude}")
    units = {"air_temperature": temperature_unit, "wind_speed": "m/s", "precipitation_amount": "mm"}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, latitude, 300]},
        "properties": {
            "meta": {"units": units},
            "timeseries": [forecast_entry(hour, noise) for hour in range(48)],
        },
    }


def forecast_entry(hour: int, noise: random.Random) -> Row:
    """One hour of a forecast."""
    temperature = 10 + 5 * math.sin(2 * math.pi * (hour - 9) / 24) + noise.gauss(0, 0.3)
    instant = {"air_temperature": round(temperature, 1), "wind_speed": round(abs(noise.gauss(3, 1)), 1)}
    data: Row = {"instant": {"details": instant}}
    if hour < 36:
        data["next_1_hours"] = {
            "details": {"precipitation_amount": round(noise.random() * (hour % 7 == 0), 1)}
        }
    return {"time": f"{OCTOBER + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}", "data": data}


def csv_text(rows: Iterable[Row]) -> str:
    """CSV with the names of the first row as header."""
    rows = list(rows)
    lines = [",".join(str(cell) for cell in row.values() if cell is not None) for row in rows]
    return "\n".join([",".join(rows[0]), *lines]) + "\n"


def json_text(document: object) -> str:
    """JSON on one line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    main()
