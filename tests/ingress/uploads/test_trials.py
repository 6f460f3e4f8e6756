"""`?validate=only` where an extractor makes the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ingress.live import Service
from tests.rigs.waiting import PATIENCE_S

ROWS = b'[{"t": "2026-10-01", "n": "east", "v": 5.5}, {"t": "2026-10-02", "n": "east", "v": "warm"}]'
JSON_TYPE = {"Content-Type": "application/json"}
FRAME = """
import {library} as frames
def normalise(parsed_json, dataframe_row):
    rows = [{{"time": row["t"], "name": row["n"], "temperature": str(row["v"])}} for row in parsed_json]
    return frames.DataFrame(rows)
"""
DATASET = """
import numpy as np
import xarray as xr
def normalise(payload: bytes, metadata: dict):
    assert metadata["endpoint_name"] == "doc" and len(payload) == metadata["size_bytes"]
    values = {{"temperature": {made}, "humidity": (("time", "name"), [[1.0]])}}
    return xr.Dataset(values, {{"time": [np.datetime64("2026-10-01", "ns")], "name": ["east"]}})
"""


@pytest.fixture
def trial(start: Callable[..., Service], tmp_path: Path) -> Callable[..., Any]:
    return trying(start(extractor_timeout_s=PATIENCE_S), tmp_path)


def trying(service: Service, tmp_path: Path) -> Callable[..., Any]:
    """Sends a payload past an extractor."""
    module = tmp_path / "inputs" / "extract" / "doc.py"

    def run(source: str, content: bytes = ROWS, headers: dict[str, str] = JSON_TYPE) -> Any:
        module.write_text(source)
        answer = service.post("/api/v1/doc?validate=only", content, headers=headers)
        assert service.stored_keys() == set()
        return answer

    return run


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_the_table_an_extractor_makes_is_converted_as_the_merge_would(
    trial: Callable[..., Any], library: str
) -> None:
    answer = trial(FRAME.format(library=library))
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["columns"] == ["time", "name", "temperature"]
    assert (report["rows"], report["sample_rows"]) == (2, 2)
    assert report["finding_counts"]["not_convertible"] == 1
    assert [one["row"] for one in report["findings"] if one["kind"] == "not_convertible"] == [1]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def normalise(payload, metadata):\n    raise KeyError('station')\n", "KeyError: 'station'"),
        ("def other(payload, metadata):\n    return 1\n", "no function normalise"),
        ("def normalise(payload, metadata):\n    return 1\n", "returned int"),
    ],
)
def test_an_extractor_that_makes_no_table_is_named_with_its_reason(
    trial: Callable[..., Any], source: str, said: str
) -> None:
    answer = trial(source)
    assert (answer.status_code, answer.json()["code"]) == (400, "extraction_failed"), answer.text
    assert said in answer.json()["detail"]


def test_an_extractor_that_hangs_is_ended_at_its_time_limit(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    trial = trying(start(extractor_timeout_s=3), tmp_path)
    answer = trial("import time\ndef normalise(payload, metadata):\n    time.sleep(600)\n")
    assert (answer.status_code, answer.json()["code"]) == (400, "extraction_failed"), answer.text
    assert "took longer than 3 s" in answer.json()["detail"]


def test_a_table_without_the_coordinates_is_refused_as_the_merge_would(trial: Callable[..., Any]) -> None:
    answer = trial(FRAME.format(library="polars").replace('"time":', '"when":'))
    assert (answer.status_code, answer.json()["code"]) == (400, "schema_mismatch")
    assert "'time'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("made", "status"),
    [('("time", [1.0])', 400), ('(("time", "name"), [[999.0]])', 200)],
    ids=["refused", "taken"],
)
def test_a_dataset_an_extractor_makes_gets_the_verdict_of_the_merge(
    trial: Callable[..., Any], made: str, status: int
) -> None:
    answer = trial(DATASET.format(made=made))
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["finding_counts"] == {"out_of_range": 1}
        assert (answer.json()["rows"], answer.json()["sample_rows"]) == (1, 1)
    else:
        assert answer.json()["code"] == "schema_mismatch"
        assert "lies over" in answer.json()["detail"]


def test_a_payload_that_is_none_is_refused_before_the_extractor_sees_it(trial: Callable[..., Any]) -> None:
    assert trial(FRAME.format(library="polars"), b"[").json()["code"] == "payload"


def test_rows_that_were_quarantined_and_corrected_need_no_extractor(trial: Callable[..., Any]) -> None:
    rows = b"time,name,temperature,rejected_row,rejected_because\n2026-10-01,east,5.5,0,too hot\n"
    answer = trial("raise AssertionError('not to be called')\n", rows, {"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["columns"] == ["time", "name", "temperature"]
    assert answer.json()["finding_counts"].get("not_convertible", 0) == 0


def test_a_payload_too_large_for_a_trial_is_refused(
    trial: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingress_service.web.uploads.routes.MAX_PAYLOAD_BYTES", 10)
    answer = trial(FRAME.format(library="polars"))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
