"""A real ingress and a real Airflow on loopback; nothing but events starts a sweep here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import xarray as xr

from packages.cli.demo_airflow import AirflowApi, prepare_airflow, start_airflow
from packages.cli.demo_children import Children
from packages.cli.demo_place import AIRFLOW_ADMIN, INGRESS_USER, DemoPlace, open_place
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Move, Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from tests.rigs.ports import free_port
from tests.rigs.waiting import wait_until

READY_S, PATIENCE_S = 240.0, 120.0
GUEST, GUEST_PASSWORD = "guest", "look-only"
CONFIGURATION = """
endpoints:
  - {name: gauge, endpoint: /api/v1/gauge, schema_name: gauge.yaml, target_node: gauge}
"""
SCHEMA = """
gauge:
  VARS:
    level: {unit: m, coords: [time]}
  COORDS:
    time: {unit: {tick: s}, chunk_size: 64}
"""
BROKEN_SCHEMA = SCHEMA.replace("unit: m,", "unit: no_such_unit,")


@dataclass(frozen=True)
class BrowserSite:
    """Where everything is, and the clients of a user."""

    place: DemoPlace
    ingress: httpx.Client
    airflow: httpx.Client
    queue: Queue

    @property
    def schema(self) -> Path:
        return self.place.folder / "inputs" / "schemas" / "gauge.yaml"

    def upload(self, minute: int) -> str:
        """Upload one row, whose level is its minute; the item's id."""
        row = f"time,level\n2026-11-20T{minute // 60:02d}:{minute % 60:02d}:00Z,{minute}\n"
        answer = self.ingress.post("/api/v1/gauge", content=row, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["item_id"])

    def put_failed(self, item_id: str, error: dict[str, Any]) -> None:
        """A failed item as a sweep leaves it, with any reason."""
        at = "2026-11-20T00:00:00Z"
        metadata = ItemMetadata.model_validate(
            {
                "item_id": item_id,
                "received_at": at,
                "username": error["message"],
                "content_type": "text/csv",
                "outcome": {"state": "failed", "finished_at": at, "error": error},
            }
        )
        self.queue.settle([Move(self.queue.accept(metadata, b"x\n"), metadata, ItemState.FAILED)])

    def ids(self, state: str, endpoint: str = "gauge") -> set[str]:
        return {item.item_id for item in self.queue.items(ItemState(state), endpoint=endpoint)}

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, what, PATIENCE_S)

    def levels(self) -> list[float]:
        with xr.open_zarr(self.place.folder / "store.zarr", group="gauge", consolidated=False) as dataset:
            return dataset["level"].values.tolist()

    def runs(self, dag: str) -> list[dict[str, Any]]:
        answer = self.airflow.get(f"/api/v2/dags/{dag}/dagRuns", params={"order_by": "-run_after"})
        return answer.raise_for_status().json()["dag_runs"]


def airflow_client(place: DemoPlace, user: str, password: str) -> httpx.Client:
    client = httpx.Client(base_url=place.airflow_url, timeout=120, trust_env=False)
    answer = client.post("/auth/token", json={"username": user, "password": password}).raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


@contextmanager
def running_site(folder: Path) -> Iterator[BrowserSite]:
    """Everything runs and is healthy inside the block."""
    place = open_place(folder, free_port(), free_port())
    (folder / "inputs" / "schemas").mkdir(parents=True)
    (folder / "inputs" / "configuration.yaml").write_text(CONFIGURATION)
    (folder / "inputs" / "schemas" / "gauge.yaml").write_text(SCHEMA)
    passwords = folder / "airflow" / "passwords.json"
    passwords.write_text(json.dumps(json.loads(passwords.read_text()) | {GUEST: GUEST_PASSWORD}))
    environment = place.environment()
    environment |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": (
            environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] + f",{GUEST}:viewer"
        ),
        "CONFIG_PATH": str(folder / "inputs" / "configuration.yaml"),
        "SCHEMAS_DIR": str(folder / "inputs" / "schemas"),
        "SWEEP_CRON": "0 0 1 1 *",
    }
    login = (INGRESS_USER, place.secrets.ingress_password)
    settings = Settings(_env_file=None, s3_store_url=place.store_url)
    queue = Queue(ObjectStorage((folder / "queue").as_uri(), settings))
    with (
        closing(AirflowApi(place)) as airflow,
        Children(folder / "logs", environment, folder) as children,
        httpx.Client(base_url=place.ingress_url, auth=login, timeout=120, trust_env=False) as ingress,
    ):
        children.start("ingress", [sys.executable, "-m", "services.ingress_service.main"])
        prepare_airflow(children, place)
        start_airflow(children)
        children.wait_until(lambda: is_ready(ingress), "the ingress", READY_S)
        children.wait_until(airflow.is_ready, "Airflow", READY_S)
        with closing(airflow_client(place, AIRFLOW_ADMIN, place.secrets.airflow_password)) as client:
            yield BrowserSite(place, ingress, client, queue)


def is_ready(ingress: httpx.Client) -> bool:
    try:
        return ingress.get("/health/ready").is_success
    except httpx.TransportError:
        return False
