from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from packages.common.extractors.functions import Extractors
from tests.rigs.project import RECORDINGS

FOLDER = RECORDINGS / "yr_no"
Answer = dict[str, Any]
Extract = Callable[..., pl.DataFrame]
HILLTOP = {"dflon": "14.8938567", "dflat": "50.8687356"}


@pytest.fixture
def extract(extractors: Extractors) -> Extract:
    function = extractors.function("extractors.forecast", "extract")
    return lambda answer, **metadata: function(json.dumps(answer).encode(), metadata)


def entry(
    time: object = "2026-10-01T00:00:00Z", next_hour: Answer | None = None, **instant: object
) -> Answer:
    data: Answer = {"instant": {"details": instant or {"air_temperature": 11.5}}}
    return {"time": time, "data": data | ({"next_1_hours": next_hour} if next_hour else {})}


def answer(*entries: Answer, **units: object) -> Answer:
    return {
        "geometry": {"type": "Point", "coordinates": [14.89, 50.87, 300]},
        "properties": {
            "meta": {"units": {"air_temperature": "celsius", **units}},
            "timeseries": list(entries),
        },
    }


def filled(frame: pl.DataFrame) -> list[Answer]:
    return [{key: value for key, value in row.items() if value is not None} for row in frame.to_dicts()]


def test_an_entry_becomes_a_row_at_its_time_and_place(extract: Extract) -> None:
    frame = extract(
        answer(entry(next_hour={"details": {"precipitation_amount": 0.4}}), precipitation_amount="mm")
    )
    assert filled(frame) == [
        {
            "time": datetime(2026, 10, 1, tzinfo=UTC),
            "longitude": 14.89,
            "latitude": 50.87,
            "air_temperature": 11.5,
            "precipitation_amount": 0.4,
        }
    ]


def test_the_location_row_of_the_request_decides_the_place(extract: Extract) -> None:
    frame = extract(answer(entry()), dataframe_row=HILLTOP)
    assert frame.select("longitude", "latitude").rows() == [(14.8938567, 50.8687356)]


def test_units_of_the_answer_are_converted_to_those_of_the_schema(extract: Extract) -> None:
    frame = extract(
        answer(
            entry(air_temperature=284.65, air_pressure_at_sea_level=101640.0, cloud_area_fraction=0.5),
            air_temperature="K",
            air_pressure_at_sea_level="Pa",
            cloud_area_fraction="1",
        )
    )
    assert frame["air_temperature"].to_list() == pytest.approx([11.5])
    assert frame["air_pressure_at_sea_level"].to_list() == pytest.approx([1016.4])
    assert frame["cloud_area_fraction"].to_list() == pytest.approx([50.0])


def test_what_an_entry_lacks_is_missing_and_not_invented(extract: Extract) -> None:
    frame = extract(
        answer(entry(wind_speed=2.5), entry("2026-10-01T01:00:00Z", {"summary": {}}), wind_speed="m/s")
    )
    assert frame.select("air_temperature", "wind_speed", "precipitation_amount").rows() == [
        (None, 2.5, None),
        (11.5, None, None),
    ]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({}, "document: has no 'properties'"),
        (answer(), "properties.timeseries: the answer holds no entry"),
        (answer({"data": {}}), "properties.timeseries[0].data: has no 'instant'"),
        (answer(entry("noon")), "properties.timeseries[0].time: expected an ISO 8601 time, found 'noon'"),
        (
            answer(entry("2026-10-01T00:00:00")),
            "properties.timeseries[0].time: expected a time with its offset",
        ),
        (answer(entry(air_temperature="warm")), 'air_temperature: expected a number, found "warm"'),
        (answer(entry(wind_speed=2.5)), "properties.meta.units: has no 'wind_speed'"),
        (
            answer(entry(), air_temperature="m"),
            "properties.meta.units.air_temperature: 'm' cannot be converted",
        ),
        (answer(entry(), air_temperature="warmth"), "properties.meta.units.air_temperature: 'warmth' cannot"),
        (
            answer(entry()) | {"geometry": {"coordinates": [1.0]}},
            "geometry.coordinates: expected longitude and",
        ),
    ],
)
def test_a_malformed_answer_is_refused_with_its_place(
    extract: Extract, broken: Answer, complaint: str
) -> None:
    with pytest.raises(ValueError) as caught:
        extract(broken)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"name": "hilltop"}, "dataframe_row: has no position"),
        (
            {"longitude": "14.9", "latitude": "north"},
            "dataframe_row.latitude: expected degrees, found 'north'",
        ),
    ],
)
def test_a_location_row_without_position_is_refused(extract: Extract, row: Answer, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        extract(answer(entry()), dataframe_row=row)
    assert complaint in str(caught.value)


def test_the_recorded_answer_keeps_every_hour(extract: Extract) -> None:
    recordings = [path for path in FOLDER.glob("*.json") if not path.name.endswith(".meta.json")]
    if not recordings:
        pytest.skip(f"no recordings at {FOLDER}")
    recorded = json.loads(recordings[0].read_text(encoding="utf-8"))
    metadata = json.loads(
        recordings[0].with_name(f"{recordings[0].name}.meta.json").read_text(encoding="utf-8")
    )
    series = recorded["properties"]["timeseries"]
    frame = extract(recorded, **metadata)
    assert frame.select("longitude", "latitude").unique().rows() == [(14.8938567, 50.8687356)]
    assert frame["time"].to_list() == [datetime.fromisoformat(item["time"]) for item in series]
    instants = [item["data"]["instant"]["details"] for item in series]
    for name in ("air_temperature", "wind_speed", "air_pressure_at_sea_level", "fog_area_fraction"):
        assert frame[name].to_list() == [instant.get(name) for instant in instants]
    hours = [item["data"].get("next_1_hours", {"details": {}})["details"] for item in series]
    assert frame["precipitation_amount"].to_list() == [hour.get("precipitation_amount") for hour in hours]
