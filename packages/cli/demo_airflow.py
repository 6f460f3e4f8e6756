"""Airflow on this machine: its components started one by one, and its API asked for a sweep."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed

from packages.cli.demo_children import Children, DemoError
from packages.cli.demo_place import AIRFLOW_ADMIN, LOCK_TIMEOUT_S, DemoPlace

MIGRATION_TIMEOUT_S = 120.0
ATTEMPTS, PAUSE_S = 6, 1.0
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
SWEEP_DAG = "ingress_processor"


def prepare_airflow(children: Children, place: DemoPlace) -> None:
    """Bring Airflow's database up to date, unless this release has done so before."""
    release = version("apache-airflow")
    migrated = place.folder / "airflow" / "migrated-to"
    if migrated.exists() and migrated.read_text(encoding="utf-8") == release:
        return
    children.finish(children.start("airflow-migration", [_command(), "db", "migrate"]), MIGRATION_TIMEOUT_S)
    migrated.write_text(release, encoding="utf-8")


def start_airflow(children: Children) -> None:
    """Start api-server, scheduler and dag-processor; they take a while to be ready."""
    for name, arguments in COMPONENTS.items():
        children.start(f"airflow-{name}", [_command(), *arguments])


def _command() -> str:
    command = Path(sys.executable).with_name("airflow")
    if not command.exists():
        raise DemoError("Airflow is not installed in this environment; `make env` installs it")
    return str(command)


class AirflowApi:
    """The calls of the Airflow API that a demo needs."""

    def __init__(self, place: DemoPlace) -> None:
        self._client = httpx.Client(base_url=place.airflow_url, timeout=2 * LOCK_TIMEOUT_S, trust_env=False)
        self._credentials = {"username": AIRFLOW_ADMIN, "password": place.secrets.airflow_password}

    def is_ready(self) -> bool:
        """Whether all components are healthy and the sweep DAG has been read."""
        try:
            return self._is_healthy() and self._knows_sweep()
        except httpx.HTTPError:
            return False

    def trigger_sweep(self) -> str:
        """Ask for a run of the sweep DAG; its id.

        An Airflow in trouble of its own is asked again: two runs do no harm.
        """
        asking = Retrying(
            retry=retry_if_result(lambda answer: answer.is_server_error),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_fixed(PAUSE_S),
        )
        path = f"/api/v2/dags/{SWEEP_DAG}/dagRuns"
        answer = asking(self._client.post, path, json={"logical_date": None})
        return str(answer.raise_for_status().json()["dag_run_id"])

    def run_state(self, run_id: str) -> str:
        """State of a run: queued, running, success or failed; unknown in trouble of its own."""
        answer = self._client.get(f"/api/v2/dags/{SWEEP_DAG}/dagRuns/{run_id}")
        if answer.is_server_error:
            return "unknown"
        return str(answer.raise_for_status().json()["state"])

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _is_healthy(self) -> bool:
        answer = self._client.get("/api/v2/monitor/health")
        if not answer.is_success:
            return False
        parts = answer.json()
        watched = ("metadatabase", "scheduler", "dag_processor")
        return all((parts.get(part) or {}).get("status") == "healthy" for part in watched)

    def _knows_sweep(self) -> bool:
        if "Authorization" not in self._client.headers:
            token = self._client.post("/auth/token", json=self._credentials).raise_for_status()
            self._client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return self._client.get(f"/api/v2/dags/{SWEEP_DAG}").is_success
