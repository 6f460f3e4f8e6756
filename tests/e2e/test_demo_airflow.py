from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from packages.cli import demo_airflow
from packages.cli.demo_airflow import ATTEMPTS, AirflowApi
from packages.cli.demo_place import open_place


def api(folder: Path, statuses: list[int]) -> AirflowApi:
    """An Airflow that answers with these, one after the other."""
    made = AirflowApi(open_place(folder / "demo", 0, 0))
    made.close()
    answers = iter(statuses)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(next(answers), json={"dag_run_id": "manual__1"})

    made._client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://airflow")
    return made


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_airflow, "PAUSE_S", 0.0)


def test_an_airflow_whose_database_is_locked_is_asked_again(tmp_path: Path) -> None:
    assert api(tmp_path, [500, 503, 200]).trigger_sweep() == "manual__1"


@pytest.mark.parametrize("statuses", [[500] * ATTEMPTS, [403]])
def test_an_airflow_that_will_not_is_not_asked_for_ever(tmp_path: Path, statuses: list[int]) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        api(tmp_path, statuses).trigger_sweep()
