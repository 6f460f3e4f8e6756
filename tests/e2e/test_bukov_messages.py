from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.e2e.deployment import Deployment
from tests.rigs.project import RECORDINGS

pytestmark = pytest.mark.xdist_group("e2e_test_bukov_messages")

FOLDER = RECORDINGS / "bukov"
PLACES = {
    "0.05m": ("rock_temp", 0.05),
    "0.5m": ("rock_temp", 0.5),
    "1m": ("rock_temp", 1.0),
    "2m": ("rock_temp", 2.0),
    "3m": ("rock_temp", 3.0),
    "4m": ("rock_temp", 4.0),
    "6m": ("rock_temp", 6.0),
    "8m": ("rock_temp", 8.0),
    "10m": ("rock_temp", 10.0),
    "15mA": ("rock_temp", 15.0),
    "15mB": ("rock_temp_b", 15.0),
    "RVT13-T-Vzduch": ("air_temp", 0.0),
    "RVT13": ("air_humidity", 0.0),
    "rezerva": ("spare_temp", None),
    "1-13-14-0-0": ("battery_voltage", None),
    "1-13-15-0-0": ("battery_voltage_b", None),
}
recordings = pytest.mark.parametrize("recording", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)


def stored(deployment: Deployment) -> xr.Dataset:
    with xr.open_zarr(deployment.store, group="bukov") as dataset:
        return dataset.load()


def place_of(sensor: dict) -> tuple[str, float | None]:
    return PLACES.get(sensor["metadata"]["id"]) or PLACES[sensor["metadata"]["label"]]


@recordings
def test_every_reading_of_a_message_is_stored_at_its_own_time_and_depth(
    deployment: Deployment, recording: Path
) -> None:
    message = json.loads(recording.read_text(encoding="utf-8"))
    accepted = deployment.post("/api/v1/bukov", recording.read_bytes())
    assert accepted.status_code == 202, accepted.text
    assert deployment.sweep() == 0
    outcome = deployment.item(accepted)["outcome"]
    assert outcome["rejected_counts"] == {}
    dataset = stored(deployment)
    readings = 0
    for site in message["data"]:
        for sensor in site["data"]:
            variable, depth = place_of(sensor)
            series = dataset[variable].sel(borehole=site["metadata"]["label"])
            series = series if depth is None else series.sel(depth=depth)
            for reading in sensor["data"]:
                time = np.datetime64(
                    datetime.fromtimestamp(reading["t"] / 1000, UTC).replace(tzinfo=None), "s"
                )
                assert float(series.sel(date_time=time)) == float(reading["v"])
                readings += 1
    assert outcome["rows"] == readings


@recordings
def test_a_message_sent_again_changes_nothing(deployment: Deployment, recording: Path) -> None:
    for _ in range(2):
        assert deployment.post("/api/v1/bukov", recording.read_bytes()).status_code == 202
    assert deployment.sweep() == 0
    before = stored(deployment)
    assert deployment.post("/api/v1/bukov", recording.read_bytes()).status_code == 202
    assert deployment.sweep() == 0
    assert before.identical(stored(deployment))


def test_recordings_are_present() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no recordings at {FOLDER}")
    assert list(FOLDER.glob("*.json"))
