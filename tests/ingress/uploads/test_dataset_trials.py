"""`?validate=only` of arrays: the verdict is the one that the merge gives."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr

import zarr_fuse.schema
from services.ingress_service.errors import SchemaMismatchError
from services.ingress_service.web.uploads import dataset_trial
from services.ingress_service.web.uploads.checks import converted
from tests.ingress.live import SCHEMA, Service
from zarr_fuse.errors import UpdateRefusedError

pytest.importorskip("h5netcdf")
NETCDF_TYPE = {"Content-Type": "application/x-netcdf"}


def dataset(**changes: Any) -> xr.Dataset:
    dims = ("time", "name")
    values = {
        "temperature": (dims, np.arange(6.0).reshape(3, 2)),
        "humidity": (dims, np.full((3, 2), 80.0)),
        "time": ("time", np.array([0, 3600, 7200], "datetime64[s]").astype("datetime64[ns]")),
        "name": ("name", ["east", "west"]),
    }
    return xr.Dataset({name: value for name, value in (values | changes).items() if value is not None})


def netcdf(made: xr.Dataset) -> bytes:
    buffer = io.BytesIO()
    made.to_netcdf(buffer, engine="h5netcdf")
    return buffer.getvalue()


HOT = dataset(temperature=(("time", "name"), [[999.0, 1], [2, 3], [4, 999]]))
CASES = {
    "good": dataset(),
    "out of range": HOT,
    "missing values": dataset(humidity=(("time", "name"), [[np.nan, 1], [2, 3], [4, 5]])),
    "other order": dataset().transpose("name", "time"),
    "text for numbers": dataset(humidity=(("time", "name"), [["wet", "1"], ["2", "3"], ["4", "5"]])),
    "long names": dataset(name=("name", ["e" * 17, "west"])),
    "one more variable": dataset(wind=(("time", "name"), np.ones((3, 2)))),
    "one over something else": dataset(extra=("level", [1.0, 2.0])),
    "missing label": dataset(time=("time", np.array([0, 3600, "NaT"], "datetime64[ns]"))),
    "repeated label": dataset(name=("name", ["east", "east"])),
    "no coordinate": dataset(name=None),
    "no variable": dataset(humidity=None),
    "other dimensions": dataset(humidity=("time", [1.0, 2.0, 3.0])),
}


def merged(made: xr.Dataset, folder: Path, on_bad_rows: str) -> dict[str, int] | None:
    """What the merge rejects, by kind; None where it refuses everything."""
    (folder / "tree.yaml").write_text(SCHEMA)
    root = zarr_fuse.open_store(folder / "tree.yaml", STORE_URL=(folder / "store.zarr").as_uri())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            root["station"].update_from_ds(made, on_bad_rows=on_bad_rows)
        except UpdateRefusedError:
            return None
    report = root["station"].last_report
    assert report is not None
    return dict(report.rejected_counts)


@pytest.mark.parametrize("on_bad_rows", ["report", "fail"])
@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_that_of_the_merge(
    tmp_path: Path, name: str, on_bad_rows: Literal["report", "fail"]
) -> None:
    expected = merged(CASES[name], tmp_path, on_bad_rows)
    station = zarr_fuse.schema.deserialize(tmp_path / "tree.yaml").groups["station"].ds
    try:
        report = converted(CASES[name], station, on_bad_rows)
    except SchemaMismatchError:
        assert expected is None
    else:
        assert {kind: count for kind, count in report.finding_counts.items() if count} == expected
        assert report.sample_rows == report.rows == 6


def test_findings_name_row_column_and_value(service: Service) -> None:
    report = service.post("/api/v1/weather?validate=only", netcdf(HOT), headers=NETCDF_TYPE).json()
    found = [(one["kind"], one["row"], one["column"], one["value"]) for one in report["findings"]]
    assert found == [("out_of_range", row, "temperature", "999.0") for row in (0, 5)]
    refused = service.post("/api/v1/strict?validate=only", netcdf(HOT), headers=NETCDF_TYPE)
    assert (refused.status_code, refused.json()["code"]) == (400, "schema_mismatch")
    assert [row["row"] for row in refused.json()["errors"]] == [0, 5]


def test_variables_that_join_and_those_that_are_left_out_are_named(service: Service) -> None:
    made = dataset(wind=(("time", "name"), np.ones((3, 2))), extra=("level", [1.0, 2.0]))
    report = service.post("/api/v1/weather?validate=only", netcdf(made), headers=NETCDF_TYPE).json()
    assert report["notes"] == ["wind joins the schema", "extra is left out: it is not in the schema"]


def test_of_a_large_dataset_a_part_is_converted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_trial, "TRIAL_BYTES", 4 * 2 * 8 * 2)
    report = service.post("/api/v1/weather?validate=only", netcdf(HOT), headers=NETCDF_TYPE).json()
    assert (report["rows"], report["sample_rows"]) == (6, 4)
    assert report["finding_counts"] == {"out_of_range": 1}


def test_what_does_not_fit_memory_is_compared_by_name(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingress_service.web.uploads.checks.TRIAL_BYTES", 100)
    answer = service.post("/api/v1/weather?validate=only", netcdf(HOT), headers=NETCDF_TYPE)
    assert (answer.status_code, answer.json()["sample_rows"], answer.json()["findings"]) == (200, 0, [])


def test_labels_that_span_more_cells_than_there_is_memory_are_cut() -> None:
    dims = {"x": {"type": "float64"}, "y": {"type": "float64"}}
    variables = {"a": {"unit": "m", "coords": "x"}, "b": {"unit": "m", "coords": "y"}}
    schema = zarr_fuse.schema.deserialize({"n": {"VARS": variables, "COORDS": dims}}, "test").groups["n"].ds
    many = np.arange(1e6)
    made = xr.Dataset({"a": ("x", many), "b": ("y", many)}, {"x": many, "y": many})
    found = dataset_trial.tried(made, schema, "report")
    assert found.cells == 10**12
    assert found.converted.rows_in == 10**6 <= dataset_trial.TRIAL_BYTES / (4 * dataset_trial.VALUE_BYTES)
