from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.extractor.site import ROOT, Site, build_s3_site, build_site, clean_environment, csv, readings

DAGS = ROOT / "services" / "extractor_service" / "dags"

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(300)]

SCRIPT = """
import json, os, sys

from airflow.dag_processing.dagbag import DagBag

folder, environments, told = sys.argv[1:]
bag = DagBag(dag_folder=folder, safe_mode=False)
dag = bag.dags["ingress_processor"]
facts = {
    "errors": bag.import_errors,
    "dags": sorted(bag.dags),
    "tasks": sorted(dag.task_ids),
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
    "cron": dag.timetable.timetable.expression,
    "assets": [one.name for one in dag.timetable.asset_condition.objects],
    "heavy": sorted({"polars", "xarray", "zarr", "obstore"} & set(sys.modules)),
}

from airflow.utils.db import initdb

initdb()
runs = []
for environment in json.loads(environments):
    os.environ.update(environment)
    run = dag.test()
    tasks = {f"{one.task_id}[{one.map_index}]": str(one.state) for one in run.get_task_instances()}
    runs.append({"run_id": run.run_id, "state": str(run.state), "tasks": tasks})
with open(told, "w") as target:
    json.dump(facts | {"runs": runs}, target)
"""


class Told(NamedTuple):
    """What one process with Airflow told: about the DAGs, about a run for each site, about an empty one."""

    facts: dict[str, Any]
    runs: dict[str, dict[str, Any]]
    sites: dict[str, Site]
    good: dict[str, list[str]]
    bad: dict[str, str]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, moto_url: str) -> Told:
    folder = tmp_path_factory.mktemp("airflow")
    sites = {"file": build_site(folder / "file"), "s3": build_s3_site(folder / "s3", moto_url)}
    good, bad = {}, {}
    for name, site in sites.items():
        good[name] = [site.accept("weather", csv(0)), site.accept("river", readings(0))]
        bad[name] = site.accept("logger", {"no readings": 0})
    order = ["s3", "file", "empty"]
    environments = [(sites.get(name) or sites["file"]).settings_environment for name in order]
    facts = airflow(folder, json.dumps(environments))
    return Told(facts, dict(zip(order, facts.pop("runs"), strict=True)), sites, good, bad)


def airflow(folder: Path, environments: str) -> dict[str, Any]:
    home, told = folder / "home", folder / "told.json"
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(DAGS), environments, str(told)],
        env=clean_environment()
        | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "SWEEP_CRON": "*/5 * * * *",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    return json.loads(told.read_text())


def test_dags_import_without_errors_or_heavy_libraries_and_say_when_they_run(told: Told) -> None:
    assert told.facts == {
        "errors": {},
        "dags": ["ingress_housekeeping", "ingress_processor", "ingress_reprocess"],
        "tasks": ["merge", "plan", "report"],
        "catchup": False,
        "max_active_runs": 1,
        "cron": "*/5 * * * *",
        "assets": ["ingress_queue"],
        "heavy": [],
    }


@pytest.mark.parametrize("name", ["file", "s3"])
def test_run_merges_the_good_items_and_is_not_failed_by_the_bad_one(told: Told, name: str) -> None:
    run, site, good = told.runs[name], told.sites[name], told.good[name]
    assert run["state"] == "success"
    assert set(run["tasks"].values()) == {"success"}
    assert sorted(run["tasks"]) == ["merge[0]", "merge[1]", "plan[-1]", "report[-1]"]
    assert site.states() == {told.bad[name]: ["failed"]} | {item_id: ["processed"] for item_id in good}
    outcome = site.metadata(good[0]).outcome
    assert outcome is not None
    assert (outcome.dag_run_id, outcome.rows) == (run["run_id"], 3)
    assert site.dataset("river.yaml", "gauge")["temperature"].values[:, 0].tolist() == [0.0, 0.1, 0.2]


def test_run_over_an_empty_queue_has_nothing_to_merge(told: Told) -> None:
    run = told.runs["empty"]
    assert run["state"] == "success"
    assert run["tasks"] == {"plan[-1]": "success", "merge[-1]": "skipped", "report[-1]": "skipped"}
