"""The whole system of one folder, brought up by Compose."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.docs.blocks import blocks_of
from tests.rigs.docker_engine import DockerEngine
from tests.rigs.ports import free_port
from tests.rigs.project import ROOT


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
        self.compose("up", "--detach", "--wait")

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

    def upload(self, endpoint: str, path: Path) -> str:
        """Upload a CSV file; the id of its item."""
        headers = {"Content-Type": "text/csv"}
        with self.client() as client:
            answer = client.post(f"/api/v1/{endpoint}", content=path.read_bytes(), headers=headers)
        return answer.raise_for_status().json()["item_id"]

    def kill(self, service: str) -> None:
        """Let the kernel kill a service; `docker kill` would count as a stop that was meant."""
        name = self.compose("ps", "--quiet", service).stdout.strip()
        os.kill(int(self.engine.docker("inspect", "--format", "{{.State.Pid}}", name)), signal.SIGKILL)


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
