"""An ingress and an Airflow on SQLite, with one endpoint, and what their APIs tell about an upload's way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from packages.cli.demo_airflow import AirflowApi, prepare_airflow, start_airflow
from packages.cli.demo_children import Children
from packages.cli.demo_place import AIRFLOW_ADMIN, INGRESS_USER, open_place
from tests.rigs.ports import free_port

NODE = "gauge"
DAG = "ingress_processor"
READY_S = 180.0
CONFIGURATION = """
endpoints:
  - {name: bench, endpoint: /api/v1/bench, schema_name: bench.yaml, target_node: gauge}
"""
SCHEMA = """
gauge:
  VARS:
    level: {unit: m, coords: [time, place]}
  COORDS:
    time: {unit: {tick: s}, chunk_size: 1024}
    place: {type: "str[8]", sorted: false, chunk_size: 8}
"""


@dataclass(frozen=True)
class Journey:
    """One upload's way: seconds of each stage, in order; their sum is the whole."""

    stages_s: dict[str, float]

    @property
    def total_s(self) -> float:
        """From the begin of the upload until it was readable."""
        return sum(self.stages_s.values())


class FreshnessSite:
    """One deployment below a folder."""

    def __init__(self, folder: Path) -> None:
        self._place = open_place(folder / "freshness", free_port(), free_port())
        inputs = self._place.folder / "inputs"
        (inputs / "schemas").mkdir(parents=True, exist_ok=True)
        (inputs / "configuration.yaml").write_text(CONFIGURATION, encoding="utf-8")
        (inputs / "schemas" / "bench.yaml").write_text(SCHEMA, encoding="utf-8")
        self._environment = self._place.environment() | {
            "CONFIG_PATH": str(inputs / "configuration.yaml"),
            "SCHEMAS_DIR": str(inputs / "schemas"),
        }

    @property
    def store(self) -> Path:
        """The folder of the dataset."""
        return self._place.folder / "store.zarr"

    @contextmanager
    def running(self, status: Callable[[str], None]) -> Iterator[None]:
        """Everything runs and is healthy inside the block."""
        with (
            closing(AirflowApi(self._place)) as airflow,
            Children(self._place.folder / "logs", self._environment, self._place.folder) as children,
        ):
            status("freshness: starting the ingress and Airflow")
            children.start("ingress", [sys.executable, "-m", "services.ingress_service.main"])
            prepare_airflow(children, self._place)
            start_airflow(children)
            children.wait_until(self._is_ready, "the ingress", READY_S)
            children.wait_until(airflow.is_ready, "Airflow", READY_S)
            yield

    def upload(self, when: datetime, level: float) -> str:
        """Upload one row; the item's id once it is accepted."""
        row = f"time,place,level\n{when:%Y-%m-%dT%H:%M:%SZ},north,{level}\n"
        answer = self._ingress.post("/api/v1/bench", content=row, headers={"Content-Type": "text/csv"})
        return str(answer.raise_for_status().json()["item_id"])

    def journeys(self, uploads: Sequence[tuple[str, float, float, float]]) -> list[Journey]:
        """The ways of uploads: each an item id, its begin, answer and first sight in seconds since 1970."""
        runs: dict[str, dict[str, float]] = {}
        found = []
        for item_id, began, answered, seen in uploads:
            run_id = self._run_of(item_id)
            if run_id not in runs:
                runs[run_id] = self._times_of(run_id)
            times = runs[run_id]
            found.append(_journey([began, answered, *(times[name] for name in TIMES), seen]))
        return found

    @cached_property
    def _ingress(self) -> httpx.Client:
        credentials = (INGRESS_USER, self._place.secrets.ingress_password)
        return httpx.Client(base_url=self._place.ingress_url, auth=credentials, timeout=30, trust_env=False)

    @cached_property
    def _airflow(self) -> httpx.Client:
        client = httpx.Client(base_url=self._place.airflow_url, timeout=30, trust_env=False)
        credentials = {"username": AIRFLOW_ADMIN, "password": self._place.secrets.airflow_password}
        token = client.post("/auth/token", json=credentials).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def _is_ready(self) -> bool:
        try:
            return self._ingress.get("/health/ready").is_success
        except httpx.TransportError:
            return False

    def _run_of(self, item_id: str) -> str:
        item = self._ingress.get(f"/api/v1/items/{item_id}").raise_for_status().json()
        return str(item["outcome"]["dag_run_id"])

    def _times_of(self, run_id: str) -> dict[str, float]:
        """When the run was queued, its plan started and ended, and its merge started."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{run_id.replace('+', '%2B')}"
        run = self._airflow.get(path).raise_for_status().json()
        tasks = self._airflow.get(f"{path}/taskInstances").raise_for_status().json()["task_instances"]
        by_name: dict[str, Any] = {task["task_id"]: task for task in tasks}
        plan, merge = by_name["plan"], by_name["merge"]
        texts = (run["queued_at"], plan["start_date"], plan["end_date"], merge["start_date"])
        return dict(zip(TIMES, map(_seconds, texts), strict=True))


TIMES = ("queued", "plan started", "plan ended", "merge started")
STAGES = ("upload", "wake-up → run", "run → plan", "plan", "plan → merge", "merge → readable")


def _journey(times: Sequence[float]) -> Journey:
    """Stages between successive times; a run that was under way when the item came costs it no wait."""
    passed, stages = times[0], {}
    for name, reached in zip(STAGES, times[1:], strict=True):
        stages[name] = max(0.0, reached - passed)
        passed = max(passed, reached)
    return Journey(stages)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
