from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from packages.common.last_sweep import last_sweep
from tests.extractor.site import Site, build_s3_site, build_site, clean_environment, csv, readings
from tests.ingress.fake_airflow import PASSWORD, running_airflow
from tests.rigs.project import ROOT

DAGS = ROOT / "services" / "extractor_service" / "dags"

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(600)]

SCRIPT = """
import json, os, sys
from pathlib import Path

from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag

plugins = {one["name"]: one["external_views"] for one in plugins_manager.get_plugin_info()}
folder, steps, told = sys.argv[1:]
bag = DagBag(dag_folder=folder, safe_mode=False)
dag = bag.dags["ingress_processor"]
facts = {
    "errors": {**bag.import_errors, **plugins_manager.get_import_errors()},
    "page": [view["category"] for view in plugins["ingress_queue"]],
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
runs = {}
for step in json.loads(steps):
    os.environ.update(step["environment"])
    for path, text in step["files"].items():
        Path(path).write_text(text)
    run = bag.dags[step["dag"]].test(run_conf=step["conf"])
    tasks = {f"{one.task_id}[{one.map_index}]": str(one.state) for one in run.get_task_instances()}
    queue = Path(step["queue"])
    keys = sorted(path.relative_to(queue).as_posix() for path in queue.rglob("*.csv"))
    runs[step["name"]] = {"run_id": run.run_id, "state": str(run.state), "tasks": tasks, "keys": keys}
with open(told, "w") as target:
    json.dump(facts | {"runs": runs}, target)
"""


class Told(NamedTuple):
    """What one process with Airflow told: about the DAGs, and about each run, with its note and its log."""

    facts: dict[str, Any]
    runs: dict[str, dict[str, Any]]
    notes: dict[str, str]
    messages: list[dict[str, Any]]
    log: str
    sites: dict[str, Site]
    good: dict[str, list[str]]
    bad: dict[str, str]


def step(
    name: str, site: Site, dag: str = "processor", conf: dict[str, object] | None = None, **more: Any
) -> dict[str, Any]:
    """One run: its DAG, the site it works on, and what is written there before."""
    environment = site.settings_environment | more.pop("environment", {})
    queue = str(site.folder / "queue")
    known = {"name": name, "dag": f"ingress_{dag}", "environment": environment, "queue": queue}
    return known | {"conf": conf or {}, "files": {}} | more


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, moto_url: str) -> Told:
    folder = tmp_path_factory.mktemp("airflow")
    sites = {"file": build_site(folder / "file"), "s3": build_s3_site(folder / "s3", moto_url)}
    good, bad = {}, {}
    for name, site in sites.items():
        good[name] = [site.accept("weather", csv(0)), site.accept("river", readings(0))]
        bad[name] = site.accept("logger", {"no readings": 0})
    steps = [step("s3", sites["s3"]), step("file", sites["file"]), step("empty", sites["file"])]
    sites["broken"] = site = build_site(folder / "broken")
    good["broken"] = [site.accept("weather", csv(number)) for number in range(3)]
    bad["broken"] = site.accept("strict", csv(9))
    steps += reprocessing(site)
    with running_airflow() as fake:
        steps += without_storage(sites["file"], f"{fake.url}/hook")
        facts, log = airflow(folder, json.dumps(steps), fake.url)
    notes = {path.rpartition("/")[2]: note for path, note in fake.notes.items()}
    return Told(facts, facts.pop("runs"), notes, fake.messages, log, sites, good, bad)


def reprocessing(site: Site) -> list[dict[str, Any]]:
    """A schema breaks, four items fail, it is mended, three are brought back, and the fourth is removed."""
    schema = site.folder / "inputs" / "schemas" / "weather.yaml"
    mended = schema.read_text()
    broken = mended.replace("unit: degC", "unit: no_such_unit")
    assert broken != mended
    choice = {"endpoint": "weather", "since": "2020-01-01T00:00:00Z"}
    removal = {"RETENTION_FAILED_DAYS": "0"}
    return [
        step("breaking", site, files={str(schema): broken}),
        step("dry", site, "reprocess", choice | {"dry_run": True}, files={str(schema): mended}),
        step("back", site, "reprocess", choice | {"dry_run": False}),
        step("merged", site),
        step("kept", site, "housekeeping", {"dry_run": True}, environment=removal),
        step("removed", site, "housekeeping", {"dry_run": False}, environment=removal),
    ]


def without_storage(site: Site, webhook: str) -> list[dict[str, Any]]:
    """The storage does not answer, twice."""
    configuration = site.folder / "inputs" / "configuration.yaml"
    text = f"{configuration.read_text()}configuration:\n  webhook: {{enabled: true, url: '{webhook}'}}\n"
    nowhere = {
        "S3_QUEUE_URL": "s3://bucket/queue",
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_TIMEOUT_S": "1",
    }
    more = {"environment": nowhere, "files": {str(configuration): text}}
    return [step("down", site, **more), step("still down", site, **more)]


def airflow(folder: Path, steps: str, airflow_url: str) -> tuple[dict[str, Any], str]:
    home, told = folder / "home", folder / "told.json"
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(DAGS), steps, str(told)],
        env=clean_environment()
        | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(DAGS.parent / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
            "AIRFLOW_URL": airflow_url,
            "AIRFLOW_USERNAME": "ingress",
            "AIRFLOW_PASSWORD": PASSWORD,
            "SWEEP_CRON": "*/5 * * * *",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    return json.loads(told.read_text()), finished.stdout + finished.stderr


def states_of(told: Told, name: str) -> dict[str, list[str]]:
    """Item ids by state, as they lay in the queue after a run."""
    found: dict[str, list[str]] = {}
    for key in told.runs[name]["keys"]:
        state, _, item = key.removesuffix(".csv").partition("/")
        found.setdefault(state, []).append(item)
    return found


def note_of(told: Told, name: str) -> str:
    return told.notes[told.runs[name]["run_id"]]


def test_dags_and_plugin_import_without_errors_or_heavy_libraries_and_say_when_they_run(told: Told) -> None:
    assert told.facts == {
        "errors": {},
        "page": ["browse"],
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


@pytest.mark.parametrize("name", ["file", "s3"])
def test_note_of_a_run_counts_the_items_and_names_those_that_failed_with_the_reason(
    told: Told, name: str
) -> None:
    first, failure = note_of(told, name).split("\n\n")
    assert first == "2 processed, 1 failed"
    assert failure.startswith(f"{told.bad[name]}: extractor_raised: ")


def test_log_names_every_item(told: Told) -> None:
    for item_id in [*told.good["file"], *told.good["s3"], *told.bad.values()]:
        assert item_id in told.log


def test_run_over_an_empty_queue_has_nothing_to_merge(told: Told) -> None:
    run = told.runs["empty"]
    assert run["state"] == "success"
    assert run["tasks"] == {"plan[-1]": "success", "merge[-1]": "skipped", "report[-1]": "skipped"}


@pytest.mark.parametrize(("name", "items"), [("s3", {"processed": 2, "failed": 1}), ("file", {})])
def test_every_run_notes_its_end_in_the_queue_even_where_there_was_nothing_to_do(
    told: Told, name: str, items: dict[str, int]
) -> None:
    noted = last_sweep(told.sites[name].queue.storage)
    assert noted is not None
    assert noted.items == items
    assert noted.dag_run_id == told.runs["empty" if name == "file" else name]["run_id"]


def test_items_that_a_broken_schema_fails_do_not_fail_the_run(told: Told) -> None:
    assert told.runs["breaking"]["state"] == "success"
    assert states_of(told, "breaking") == {"failed": sorted([*told.good["broken"], told.bad["broken"]])}
    assert "unknown unit" in note_of(told, "breaking")


def test_dry_reprocessing_moves_nothing_and_says_what_it_would(told: Told) -> None:
    assert states_of(told, "dry") == states_of(told, "breaking")
    assert note_of(told, "dry") == "3 items would be accepted again"


def test_reprocessing_brings_the_chosen_items_back_and_the_next_run_merges_them(told: Told) -> None:
    assert states_of(told, "back") == {"accepted": told.good["broken"], "failed": [told.bad["broken"]]}
    assert note_of(told, "back") == "3 items accepted again"
    assert states_of(told, "merged") == {"processed": told.good["broken"], "failed": [told.bad["broken"]]}
    temperature = told.sites["broken"].dataset("weather.yaml", "station")["temperature"].values[:, 0]
    assert temperature.tolist() == [number + row / 10 for number in range(3) for row in range(3)]


def test_housekeeping_removes_what_is_past_its_retention_and_only_that(told: Told) -> None:
    assert states_of(told, "kept") == states_of(told, "merged")
    assert note_of(told, "kept") == "2 objects would be removed"
    assert states_of(told, "removed") == {"processed": told.good["broken"]}
    assert note_of(told, "removed") == "2 objects removed"


def test_storage_that_does_not_answer_fails_the_run_and_is_told_once(told: Told) -> None:
    for name in ("down", "still down"):
        assert told.runs[name]["state"] == "failed"
        assert told.runs[name]["tasks"]["plan[-1]"] == "failed"
    (message,) = told.messages
    run = told.runs["down"]["run_id"]
    assert message["subject"] == "ingress_processor: plan failed"
    assert message["run"] == run
    assert message["text"].endswith(f"/dags/ingress_processor/runs/{run}")
