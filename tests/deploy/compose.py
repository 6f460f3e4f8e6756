"""The whole system of one folder, brought up by Compose."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.docs.blocks import blocks_of
from tests.rigs.docker_engine import DockerEngine
from tests.rigs.ports import free_port
from tests.rigs.project import ROOT
from tests.rigs.waiting import wait_until

ONCE = {"prepare", "airflow-migration"}
"""Services that come to an end."""
START_S = 300
READING = "time,station,temperature\n2026-11-01T00:00:00Z,{station},1.5\n"


@dataclass
class System:
    """The system of one folder, brought up by Compose."""

    engine: DockerEngine
    folder: Path
    settings: dict[str, str]

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        files = ("--project-directory", str(self.folder), "--file", str(self.folder / "docker-compose.yaml"))
        return self.engine.run("docker-compose", *files, *arguments, check=check, **self.settings)

    def up(self) -> None:
        done = self.compose("up", "--detach", "--wait", check=False)
        if done.returncode:
            said = self.compose("logs", "--no-color", "--tail=30", "prepare", "airflow-migration").stdout
            raise RuntimeError(f"{done.stderr[-2000:]}\n{said}")

    def paste(self, page: str, name: str, **more: str) -> str:
        """Run a marked block of a how-to page in the folder, as a reader would."""
        blocks = blocks_of(ROOT / "docs" / "how-to" / page, "compose")
        (text,) = [block.text for block in blocks if block.name == name]
        script = f"cd {shlex.quote(str(self.folder))}\n{text}"
        command = ("bash", "-euo", "pipefail", "-c", script)
        return self.engine.run(*command, **{**self.settings, **more}).stdout

    def query(self, statement: str) -> str:
        """What the database of Airflow answers."""
        password = environment(self.folder / ".env")["POSTGRES_PASSWORD"]
        ask = ("psql", "--host=127.0.0.1", "--username=airflow", "--no-align", "--tuples-only", "airflow")
        options = ("exec", "--no-TTY", "--env", f"PGPASSWORD={password}", "postgres")
        return self.compose(*options, *ask, "--command", statement).stdout.strip()

    def states(self) -> dict[str, tuple[str, str]]:
        lines = self.compose("ps", "--all", "--format", "json").stdout.splitlines()
        return {one["Service"]: (one["State"], one["Health"]) for one in map(json.loads, lines)}

    def is_well(self) -> bool:
        """Whether everything runs that should, and what runs is healthy."""
        lasting = [state for name, state in self.states().items() if name not in ONCE]
        return all(state == ("running", "healthy") for state in lasting)

    def inspect(self) -> dict[str, Any]:
        """What the engine knows of the container of each service."""
        names = self.compose("ps", "--all", "--quiet").stdout.split()
        found = json.loads(self.engine.docker("inspect", *names))
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def smoke(self) -> str:
        return self.compose("run", "--rm", "smoke").stdout

    def client(self) -> httpx.Client:
        """A client of the ingress that may do everything."""
        users = json.loads(environment(self.folder / ".env")["BASIC_AUTH_USERS_JSON"].strip("'"))
        url = f"http://127.0.0.1:{self.settings['INGRESS_PORT']}"
        auth = ("admin", users["admin"]["password"])
        return httpx.Client(base_url=url, auth=auth, timeout=60, trust_env=False)

    def processed(self) -> set[str]:
        with self.client() as client:
            answer = client.get("/api/v1/items", params={"state": "processed", "limit": 100})
        return {item["item_id"] for item in answer.raise_for_status().json()["items"]}

    def upload(self, endpoint: str = "weather") -> str:
        """Upload a reading that nobody has uploaded before; the id of its item."""
        reading = READING.format(station=secrets.token_hex(8))
        headers = {"Content-Type": "text/csv"}
        with self.client() as client:
            answer = client.post(f"/api/v1/{endpoint}", content=reading, headers=headers)
        return answer.raise_for_status().json()["item_id"]

    def await_processed(self, item_id: str) -> None:
        """Return as soon as an item is merged."""
        wait_until(lambda: self._is_processed(item_id), item_id, START_S, pause_s=0.5)

    def _is_processed(self, item_id: str) -> bool:
        """Whether an item is merged; what has just come back may refuse to say."""
        with contextlib.suppress(httpx.HTTPError):
            return item_id in self.processed()
        return False

    def await_well(self) -> None:
        """Return as soon as everything is well, without any command that would start it."""
        wait_until(self.is_well, "services", START_S, pause_s=0.5)

    def kill(self, *services: str) -> None:
        """Let the kernel kill services; `docker kill` would count as a stop that was meant."""
        known = self.inspect()
        for service in services:
            os.kill(known[service]["State"]["Pid"], signal.SIGKILL)


def environment(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def system(engine: DockerEngine, folder: Path, images: dict[str, str], **more: str) -> System:
    """A system with generated secrets, ready to come up."""
    subprocess.run([sys.executable, "tools/compose_env.py"], cwd=folder, check=True, capture_output=True)
    return System(
        engine,
        folder,
        {
            **more,
            "INGRESS_IMAGE": images["ingress"],
            "EXTRACTOR_IMAGE": images["extractor"],
            "S3_IMAGE": images["s3"],
            **{place: str(free_port()) for place in ("INGRESS_PORT", "AIRFLOW_PORT", "S3_PORT")},
        },
    )
