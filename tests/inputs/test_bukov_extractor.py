from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from packages.common.extractors.functions import Extractors
from tests.rigs.project import ROOT

RECORDINGS = ROOT.parent / "shared" / "data" / "bukov"
KEYS = ["date_time", "borehole", "depth"]
Message = dict[str, Any]
Extract = Callable[[Message], pl.DataFrame]


@pytest.fixture
def extract(extractors: Extractors) -> Extract:
    function = extractors.function("extractors.bukov", "extract")
    return lambda message: function(json.dumps(message).encode(), {})


def reading(time_ms: object = 1_790_812_800_000, value: object = "15.180", **more: object) -> Message:
    return {"t": time_ms, "v": value, "e": "0", **more}


def sensor(label: str, *readings: Message, channel: str = "1-4-0-0-0") -> Message:
    return {"data": list(readings or [reading()]), "metadata": {"id": channel, "label": label}}


def message(*sensors: Message, site: str = "DEMO-S1") -> Message:
    return {"version": "2.0.1", "data": [{"data": list(sensors), "metadata": {"label": site}}]}


def filled(frame: pl.DataFrame) -> dict[str, list[Any]]:
    return {name: frame[name].to_list() for name in frame.columns if frame[name].null_count() < frame.height}


@pytest.mark.parametrize(
    ("label", "variable", "depth"),
    [
        ("0.05m", "rock_temp", 0.05),
        ("10m", "rock_temp", 10.0),
        ("15mA", "rock_temp", 15.0),
        ("15mB", "rock_temp_b", 15.0),
        ("RVT13-T-Vzduch", "air_temp", 0.0),
        ("RVT13", "air_humidity", 0.0),
        ("rezerva", "spare_temp", 0.0),
        ("Napětí akumulátoru", "battery_voltage", 0.0),
    ],
)
def test_a_reading_becomes_a_row_of_its_sensors_variable(
    extract: Extract, label: str, variable: str, depth: float
) -> None:
    assert filled(extract(message(sensor(label)))) == {
        "date_time": [datetime(2026, 10, 1, tzinfo=UTC)],
        "borehole": ["DEMO-S1"],
        "depth": [depth],
        variable: ["15.180"],
        "longitude": [16.231],
        "latitude": [49.448],
    }


def test_sensors_keep_their_own_times(extract: Extract) -> None:
    half_past = 1_790_814_600_000
    frame = extract(message(sensor("1m", reading(), reading(half_past)), sensor("2m", reading(half_past))))
    assert frame.select("depth", pl.col("date_time").dt.minute()).rows() == [(1.0, 0), (1.0, 30), (2.0, 30)]


def test_both_voltage_channels_survive_in_the_order_of_their_ids(extract: Extract) -> None:
    second = sensor("Napětí akumulátoru", reading(value="12.6"), channel="1-13-15-0-0")
    first = sensor("Napětí akumulátoru", reading(value="12.1"), channel="1-13-9-0-0")
    found = extract(message(second, first))
    assert found["battery_voltage"].drop_nulls().to_list() == ["12.1"]
    assert found["battery_voltage_b"].drop_nulls().to_list() == ["12.6"]


def test_an_unknown_site_has_no_position(extract: Extract) -> None:
    frame = extract(message(sensor("1m"), site="elsewhere"))
    assert frame.select("longitude", "latitude").rows() == [(None, None)]


def test_a_flagged_reading_keeps_its_row_and_carries_its_flag(extract: Extract) -> None:
    frame = extract(message(sensor("1m", reading(e="7"), reading(1_790_814_600_000))))
    assert frame["rock_temp"].to_list() == ["15.180 (logger error 7)", "15.180"]


def test_a_number_without_quotes_and_a_missing_one_are_values_too(extract: Extract) -> None:
    frame = extract(message(sensor("1m", reading(value=15.18), reading(1_790_814_600_000, None))))
    assert frame["rock_temp"].to_list() == ["15.18", None]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ([], "document: expected an object"),
        ({"version": "2.0.1"}, "document: has no 'data'"),
        ({"data": []}, "data: the message holds no reading"),
        ({"data": {}}, "data: expected a list"),
        (message({"data": []}), "data[0].data[0]: has no 'metadata'"),
        (message(sensor("1m"), site=" "), "data[0].metadata.label: expected text"),
        (message(sensor("1m"), sensor("tilt")), "data[0].data[1]: unknown sensor 'tilt'"),
        (message(sensor("1mC")), "data[0].data[0]: unknown sensor '1mC'"),
        (message(sensor("1m"), sensor("1m")), "data[0].data[1]: sensor '1m' occurs 2 times"),
        (
            message(sensor("1m", reading("today"))),
            'data[0].data[0].data[0].t: expected a whole number, found "today"',
        ),
        (message(sensor("1m", reading(1_790_812_800))), "data[0].data[0].data[0].t: expected milliseconds"),
        (message(sensor("1m", reading(10**30))), "data[0].data[0].data[0].t: expected milliseconds"),
        (
            message(sensor("1m", reading(value=["1"]))),
            'data[0].data[0].data[0].v: expected a number, found ["1"]',
        ),
        (message(sensor("1m", {"t": 1_790_812_800_000})), "data[0].data[0].data[0]: has no 'v'"),
        (
            message(*[sensor("Napětí akumulátoru", channel="one") for _ in range(2)]),
            "data[0].data[0].metadata.id: expected numbers joined by '-', found 'one'",
        ),
    ],
)
def test_a_malformed_message_is_refused_with_its_place(
    extract: Extract, broken: Message, complaint: str
) -> None:
    with pytest.raises(ValueError) as caught:
        extract(broken)
    assert complaint in str(caught.value)


def test_text_that_is_no_json_is_refused_with_its_line(extractors: Extractors) -> None:
    function = extractors.function("extractors.bukov", "extract")
    with pytest.raises(ValueError, match="line 2, column 1"):
        function(b'{"data":\n', {})
    with pytest.raises(ValueError, match="byte 1: not UTF-8"):
        function(b'"\xff"', {})


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
def test_recordings_lose_nothing(extract: Extract, recording: Path) -> None:
    recorded = json.loads(recording.read_text(encoding="utf-8"))
    before = copy.deepcopy(recorded)
    frame = extract(recorded)
    sensors = before["data"][0]["data"]
    expected = sorted((read["t"], read["v"]) for item in sensors for read in item["data"])
    values = frame.drop(*KEYS, "longitude", "latitude")
    kept = sorted(
        (int(time.timestamp() * 1000), value)
        for time, row in zip(frame["date_time"], values.rows(), strict=True)
        for value in row
        if value is not None
    )
    assert kept == expected
    merged = frame.unpivot(index=KEYS, on=values.columns).drop_nulls("value")
    assert merged.select(*KEYS, "variable").is_unique().all()


def test_recordings_are_present() -> None:
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings at {RECORDINGS}")
    assert list(RECORDINGS.glob("*.json"))
