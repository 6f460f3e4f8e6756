from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
import xarray as xr

from tests.e2e.deployment import Deployment
from tests.rigs.project import ROOT

pytestmark = pytest.mark.xdist_group("e2e_test_samples")

SAMPLES = ROOT / "inputs" / "samples"
CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json"}
REFUSED = {
    "sensor/03_broken_cell.csv": (400, "moisture"),
    "tree/a/02_broken_cut_off.json": (406, "line 1"),
    "tree/a/x/01_broken_unknown_node.json": (404, "a/x"),
    "weather/12_broken_no_station.csv": (400, "'station'"),
    "weather/13_broken_ragged.csv": (406, "line 6"),
    "weather/14_broken_no_rows.csv": (406, "--data-binary"),
}
FAILED = {
    "bukov/05_broken_time.json": 'expected a whole number, found "yesterday"',
    "bukov/06_broken_unknown_sensor.json": "unknown sensor 'tilt'",
    "forecast/03_broken_unit.json": "properties.meta.units.air_temperature: 'm' cannot be converted",
    "sensor/04_broken_far_cell.csv": "wet",
}
LOSING = {
    "bukov/04_S2_flagged.json": {"not_convertible": 1},
    "weather/11_broken_cells.csv": {"not_convertible": 3, "out_of_range": 1, "coordinate_unreadable": 1},
}


@pytest.fixture(scope="module")
def answers(deployment: Deployment) -> dict[str, httpx.Response]:
    found = {}
    for path in sorted(SAMPLES.rglob("*.*")):
        name = path.relative_to(SAMPLES)
        url = f"/api/v1/{name.parent.as_posix()}"
        found[name.as_posix()] = deployment.post(url, path.read_bytes(), CONTENT_TYPES[path.suffix])
    assert deployment.sweep() == 3
    return found


@pytest.fixture(scope="module")
def items(deployment: Deployment, answers: dict[str, httpx.Response]) -> dict[str, dict]:
    return {name: deployment.item(answer) for name, answer in answers.items() if answer.status_code == 202}


def opened(store: Path, group: str) -> xr.Dataset:
    with xr.open_zarr(store, group=group) as dataset:
        return dataset.load()


def test_the_door_refuses_what_it_can_see(answers: dict[str, httpx.Response]) -> None:
    refused = {name: answer for name, answer in answers.items() if answer.status_code != 202}
    assert {name: answer.status_code for name, answer in refused.items()} == {
        name: status for name, (status, _) in REFUSED.items()
    }
    for name, answer in refused.items():
        assert REFUSED[name][1] in answer.text


def test_what_fails_later_says_where_and_why(items: dict[str, dict]) -> None:
    failed = {name: item for name, item in items.items() if item["state"] == "failed"}
    assert failed.keys() == FAILED.keys()
    for name, reason in FAILED.items():
        assert reason in failed[name]["outcome"]["error"]["message"]
    assert failed["sensor/04_broken_far_cell.csv"]["outcome"]["error"]["row"] == 1100


def test_single_cells_are_left_out_and_reported(items: dict[str, dict]) -> None:
    lost = {name: item["outcome"]["rejected_counts"] for name, item in items.items() if name not in FAILED}
    assert {name: counts for name, counts in lost.items() if counts} == LOSING


def test_everything_else_is_processed(items: dict[str, dict]) -> None:
    assert {
        name for name, item in items.items() if item["state"] == "processed"
    } == items.keys() - FAILED.keys()


def test_late_and_repeated_rows_make_one_gapless_month(
    deployment: Deployment, items: dict[str, dict]
) -> None:
    weather = opened(deployment.store, "weather")
    north = weather["temperature"].sel(station="north")
    month = np.arange("2026-10-01", "2026-11-01", np.timedelta64(15, "m"), dtype="datetime64[s]")
    assert np.array_equal(weather["time"], month)
    assert int(north.notnull().sum()) == month.size
    assert int(weather["temperature"].sel(station="south").notnull().sum()) == 31 * 24
    assert int(weather["temperature"].sel(station="east").notnull().sum()) == 22


def test_local_times_and_units_are_converted(deployment: Deployment, items: dict[str, dict]) -> None:
    sensor = opened(deployment.store, "sensor")
    first = sensor.isel(time=0).sel(sensor="soil-A")
    assert first["time"].item() == np.datetime64("2026-10-01T00:00:00", "ns").item()
    assert float(first["soil_temperature"]) == pytest.approx((53.86 - 32) / 1.8)


@pytest.mark.parametrize("node", ["tree", "tree/a", "tree/a/b", "tree/a/b/c"])
def test_every_level_of_the_tree_holds_its_own_rows(
    deployment: Deployment, items: dict[str, dict], node: str
) -> None:
    assert opened(deployment.store, node)["sap_flow"].notnull().sum() == 96


def test_forecasts_of_two_points_lie_at_two_places(deployment: Deployment, items: dict[str, dict]) -> None:
    forecast = opened(deployment.store, "forecast")
    assert sorted(zip(forecast["longitude"].values, forecast["latitude"].values, strict=True)) == [
        (14.89, 50.87),
        (14.95, 50.84),
    ]
