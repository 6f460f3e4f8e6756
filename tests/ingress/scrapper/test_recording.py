"""The recorded answer of a weather service, scraped by each dialect and merged."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import xarray as xr

from services.extractor_service.sweep import sweep
from tests.ingress.scrapper_rig import Rig, rig_at
from tests.ingress.scrapper_site import Site, running_site
from tests.rigs.project import ROOT

RECORDED = ROOT.parent / "shared" / "data" / "yr_no" / "20251124T011503_3b200e72354d.json"
pytestmark = pytest.mark.skipif(not RECORDED.is_file(), reason="the recordings are not beside the project")

COMMON = """\
    schema_path: schemas/forecast.yaml
    target_node: forecast
    fn_module: extractors.forecast
    extract_fn: extract
    allow_private_hosts: [127.0.0.1]
"""
ONE = """\
  - name: place
    cron: "*/15 * * * *"
    url: "{site}/complete?lat=50.8687356&lon=14.8938567"
    method: GET
"""
TWO = """\
  - name: place
    crons: ["15 1  * * *", "45 9 * * *"]
    url: "{site}/complete"
    headers: [{{header_name: User-Agent, header_value: "App/1.0 (a@example.org)"}}]
    url_params: [{{param_name: lat, column_name: dflat}}, {{param_name: lon, column_name: dflon}}]
    dataframe_path: frames/places.csv
    dataframe_has_header: true
"""
THREE = """\
  - name: place
    runs: [{{cron: "15 1 * * *"}}]
    request:
      method: GET
      url: "{site}/complete"
      headers: [{{header_name: User-Agent, header_value: "App/1.0 (a@example.org)"}}]
      query_params: [{{name: lat, value: "{{dflat}}"}}, {{name: lon, value: "{{dflon}}"}}]
    iterate:
      - name: dataframe_row
        source: dataframe
        dataframe_path: frames/places.csv
        outputs: {{dflat: dflat, dflon: dflon}}
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as started:
        started.replies["/complete"] = (200, {"Content-Type": "application/json"}, RECORDED.read_bytes())
        yield started


@pytest.fixture
def row() -> dict[str, object]:
    """The row of the locations table that the recording was made for."""
    found: dict[str, object] = json.loads(RECORDED.with_name(f"{RECORDED.name}.meta.json").read_text())[
        "dataframe_row"
    ]
    return found


@pytest.fixture
def rig(tmp_path: Path, row: dict[str, object]) -> Rig:
    rig = rig_at(tmp_path, config_path=tmp_path / "inputs" / "configuration.yaml")
    shutil.copytree(ROOT / "inputs" / "extractors", rig.folder / "extractors")
    shutil.copy(ROOT / "inputs" / "schemas" / "forecast.yaml", rig.folder / "schemas")
    (rig.folder / "frames").mkdir()
    without_place = {**row, "idx": "26b", "tmp_id": "6b", "dflat": None}
    with (rig.folder / "frames" / "places.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([row, without_place])
    return rig


@pytest.mark.parametrize(("dialect", "has_row"), [(ONE, False), (TWO, True), (THREE, True)])
def test_each_dialect_brings_the_recording_into_the_queue(
    rig: Rig, site: Site, row: dict[str, object], dialect: str, has_row: bool
) -> None:
    rig.configure(dialect.format(site=site.url) + COMMON)
    assert rig.fire("place").counts == {"accepted": 1}
    ((metadata, payload),) = rig.items()
    assert payload == RECORDED.read_bytes()
    assert metadata.dataframe_row == (row if has_row else None)
    assert (metadata.username, metadata.schema_path) == ("scrapper-place", "schemas/forecast.yaml")
    ((path, headers),) = site.requests
    assert parse_qs(urlsplit(path).query) == {"lat": ["50.8687356"], "lon": ["14.8938567"]}
    assert headers["user-agent"] == ("App/1.0 (a@example.org)" if has_row else "zarr-fuse-ingress")


def test_the_recording_reaches_the_store(rig: Rig, site: Site) -> None:
    rig.configure(TWO.format(site=site.url) + COMMON)
    rig.fire("place")
    assert sweep(rig.settings).counts()["processed"] == 1
    with xr.open_zarr(rig.settings.s3_store_url, group="forecast") as dataset:
        assert dataset.sizes == {"time": 88, "place": 1}
        assert float(dataset["air_temperature"][0, 0]) == pytest.approx(24.6)
