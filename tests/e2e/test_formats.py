"""Parquet, NetCDF, HDF5 and GRIB from the upload to the merged dataset."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
import xarray as xr

from packages.common.payloads import binary
from packages.common.settings import Settings
from services.extractor_service.sweep import sweep
from tests.common.payloads.binary_files import (
    GRIB,
    HDF5,
    NETCDF,
    PARQUET,
    grib,
    hdf5,
    netcdf3,
    netcdf4,
    parquet,
)
from tests.ingress.live import Service, running, settings_for

pytestmark = pytest.mark.xdist_group("e2e_test_formats")

SCHEMA = """
rows:
  VARS: {temperature: {unit: degC, coords: [time, name]}}
  COORDS:
    time: {unit: {tick: s}}
    name: {type: "str[16]", sorted: false}
grid:
  VARS: {t2m: {unit: K, coords: [time, latitude, longitude]}}
  COORDS:
    time: {unit: {tick: s}}
    latitude: {unit: deg, sorted: false}
    longitude: {unit: deg}
"""
CONFIGURATION = """
endpoints:
  - {name: rows, endpoint: /api/v1/rows, schema_name: formats.yaml, target_node: rows}
  - {name: grid, endpoint: /api/v1/grid, schema_name: formats.yaml, target_node: grid}
  - {name: own, endpoint: /api/v1/own, schema_name: formats.yaml, target_node: rows, fn_module: extract.own,
     extract_fn: read}
"""
EXTRACTOR = """
import io
import h5py
import polars as pl

def read(payload, metadata):
    with h5py.File(io.BytesIO(payload)) as file:
        values = file["deep/values"][:].tolist()
    return pl.DataFrame({"temperature": values}).with_columns(time=pl.lit("2026-10-01"), name=pl.lit("x"))
"""
FRAME = pl.DataFrame(
    {
        "time": ["2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z"],
        "name": ["east"] * 2,
        "temperature": [1.5, 2.5],
    }
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("formats")
    inputs = folder / "inputs"
    settings = settings_for(folder)
    (inputs / "schemas" / "formats.yaml").write_text(SCHEMA)
    (inputs / "configuration.yaml").write_text(CONFIGURATION)
    (inputs / "extract" / "own.py").write_text(EXTRACTOR)
    with running(settings) as started:
        yield started


def post(service: Service, endpoint: str, data: bytes, content_type: str) -> httpx.Response:
    return service.post(f"/api/v1/{endpoint}", data, headers={"Content-Type": content_type})


def merged(service: Service, item_id: str, node: str, settings: Settings) -> xr.Dataset:
    sweep(settings)
    answer = service.client.get(f"/api/v1/items/{item_id}").json()
    assert answer["state"] == "processed", answer
    return xr.open_zarr(settings.s3_store_url.removeprefix("file://"), group=node)


@pytest.mark.parametrize(
    ("data", "content_type", "extension"),
    [
        (parquet(FRAME), PARQUET, "parquet"),
        (netcdf4(), NETCDF, "nc"),
        (netcdf4(), HDF5, "h5"),
    ],
)
def test_a_file_becomes_rows_of_the_dataset(
    service: Service, data: bytes, content_type: str, extension: str
) -> None:
    answer = post(service, "rows", data, content_type)
    assert answer.status_code == 202, answer.text
    item_id = answer.json()["item_id"]
    assert f"accepted/{item_id}.{extension}" in service.stored_keys()
    dataset = merged(service, item_id, "rows", service.settings)
    assert np.datetime64("2026-10-01T01:00:00") in dataset["time"].values
    assert np.isfinite(dataset["temperature"].sel(name="east").values).sum() >= 2


def test_packed_grib_stays_packed_and_becomes_a_grid(service: Service) -> None:
    form = {"file": ("forecast.grib2.bz2", bz2.compress(grib()))}
    answer = service.client.post("/api/v1/grid", files=form)
    assert answer.status_code == 202, answer.text
    item_id = answer.json()["item_id"]
    assert f"accepted/{item_id}.grib.bz2" in service.stored_keys()
    dataset = merged(service, item_id, "grid", service.settings)
    assert dataset["t2m"].shape == (2, 31, 16)
    assert float(dataset["t2m"].max()) == pytest.approx(301, abs=0.1)


def test_an_extractor_gets_the_bytes_of_a_file_of_any_shape(service: Service, tmp_path: Path) -> None:
    data = hdf5(tmp_path / "f", lambda file: file.create_dataset("deep/values", data=[7.5]))
    assert post(service, "rows", data, HDF5).status_code == 400
    answer = post(service, "own", data, HDF5)
    assert answer.status_code == 202, answer.text
    dataset = merged(service, answer.json()["item_id"], "rows", service.settings)
    assert float(dataset["temperature"].sel(name="x").max()) == 7.5


@pytest.mark.parametrize(
    ("endpoint", "data", "content_type", "status", "said"),
    [
        ("rows", parquet(FRAME.drop("name")), PARQUET, 400, "'name'"),
        ("rows", parquet()[:-10], PARQUET, 406, "application/vnd.apache.parquet"),
        ("rows", b"time,name\n1,2\n", PARQUET, 406, "does not begin like"),
        ("grid", netcdf4(), NETCDF, 400, "'t2m', 'latitude', 'longitude'"),
        ("rows", netcdf3(), HDF5, 406, "does not begin like"),
        ("rows", grib(1)[:60], GRIB, 406, "application/x-grib"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    service: Service, endpoint: str, data: bytes, content_type: str, status: int, said: str
) -> None:
    before = service.stored_keys()
    answer = post(service, endpoint, data, content_type)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (
        said.replace("'t2m', 'latitude', 'longitude'", "'latitude', 'longitude'") in answer.json()["detail"]
    )
    assert service.stored_keys() == before


def test_validating_a_file_says_what_it_holds(service: Service) -> None:
    answer = post(service, "rows?validate=only", parquet(FRAME), PARQUET).json()
    assert (answer["rows"], answer["columns"], answer["findings"]) == (2, FRAME.columns, [])
    assert set(post(service, "rows?validate=only", netcdf4(), NETCDF).json()["columns"]) >= {"time", "name"}


def test_a_type_without_its_libraries_is_415_and_names_the_extra(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(binary.NEEDS, "grib", ("no_such_module",))
    answer = post(service, "grid", grib(1), GRIB)
    assert answer.status_code == 415
    assert "zarr-fuse-ingress[formats]" in answer.json()["detail"]
