from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.rigs.docker_engine import DockerEngine
from tests.rigs.ports import free_port

pytestmark = pytest.mark.deploy
SERVICES = {
    "s3",
    "postgres",
    "prepare",
    "ingress",
    "airflow-migration",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-cleaner",
}


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

    def states(self) -> dict[str, tuple[str, str]]:
        lines = self.compose("ps", "--all", "--format", "json").stdout.splitlines()
        return {one["Service"]: (one["State"], one["Health"]) for one in map(json.loads, lines)}

    def smoke(self) -> str:
        return self.compose("run", "--rm", "smoke").stdout

    def processed(self) -> set[str]:
        user = json.loads(environment(self.folder / ".env")["BASIC_AUTH_USERS_JSON"].strip("'"))["admin"]
        answer = httpx.get(
            f"http://127.0.0.1:{self.settings['INGRESS_PORT']}/api/v1/items",
            params={"state": "processed", "limit": 100},
            auth=("admin", user["password"]),
            timeout=30,
            trust_env=False,
        )
        return {item["item_id"] for item in answer.raise_for_status().json()["items"]}

    def kill(self, service: str) -> None:
        """Let the kernel kill a service; `docker kill` would count as a stop that was meant."""
        name = self.compose("ps", "--quiet", service).stdout.strip()
        os.kill(int(self.engine.docker("inspect", "--format", "{{.State.Pid}}", name)), signal.SIGKILL)


def environment(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def system(engine: DockerEngine, folder: Path, images: dict[str, str], name: str) -> System:
    subprocess.run([sys.executable, "tools/compose_env.py"], cwd=folder, check=True, capture_output=True)
    return System(
        engine,
        folder,
        {
            "COMPOSE_PROJECT_NAME": name,
            "INGRESS_IMAGE": images["ingress"],
            "EXTRACTOR_IMAGE": images["extractor"],
            "S3_IMAGE": images["s3"],
            **{place: str(free_port()) for place in ("INGRESS_PORT", "AIRFLOW_PORT", "S3_PORT")},
        },
    )


@pytest.fixture(scope="module")
def bundled(
    engine: DockerEngine, tree: Path, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    folder = shutil.copytree(tree, tmp_path_factory.mktemp("bundled") / "clone")
    bundled = system(engine, folder, images, "bundled")
    try:
        bundled.up()
        yield bundled
    finally:
        bundled.compose("down", "--volumes", "--timeout", "20", check=False)


def test_everything_is_well_after_up(bundled: System) -> None:
    states = bundled.states()
    assert states.keys() == SERVICES
    once = {"prepare", "airflow-migration"}
    assert {states[name][0] for name in once} == {"exited"}
    assert {states[name] for name in SERVICES - once} == {("running", "healthy")}


def test_samples_become_a_dataset(bundled: System) -> None:
    said = bundled.smoke()
    assert "processed  weather/09_late_days.csv" in said
    assert "xarray.Dataset" in said


def test_ports_are_open_to_this_machine_only(bundled: System) -> None:
    names = bundled.compose("ps", "--quiet").stdout.split()
    bound = json.loads(bundled.engine.docker("inspect", *names))
    ports = [
        binding for one in bound for found in one["HostConfig"]["PortBindings"].values() for binding in found
    ]
    assert len(ports) == 3
    assert {binding["HostIp"] for binding in ports} == {"127.0.0.1"}


def test_nobody_is_root_and_nothing_is_written_outside_of_volumes(bundled: System) -> None:
    names = bundled.compose("ps", "--quiet").stdout.split()
    for one in json.loads(bundled.engine.docker("inspect", *names)):
        assert one["HostConfig"]["ReadonlyRootfs"], one["Name"]
        assert one["HostConfig"]["CapDrop"] == ["ALL"], one["Name"]
        assert one["Config"]["User"] in {"10001:10001", "999:999"}, one["Name"]


@pytest.mark.parametrize("service", ["s3", "airflow-scheduler", "ingress"])
def test_a_killed_service_comes_back_and_nothing_is_lost(bundled: System, service: str) -> None:
    before = bundled.processed()
    bundled.kill(service)
    bundled.up()
    assert bundled.processed() >= before
    assert "xarray.Dataset" in bundled.smoke()


def test_data_outlives_down_and_up(bundled: System) -> None:
    before = bundled.processed()
    bundled.compose("down", "--timeout", "60")
    bundled.up()
    assert before
    assert bundled.processed() == before


def test_data_comes_back_from_its_backup(bundled: System, tmp_path: Path) -> None:
    before, volume, archive = bundled.processed(), "bundled_s3-data", ("--file", "/backup/s3-data.tar.gz")
    options = ("--gzip", "--sparse", "--numeric-owner", *archive, "--directory", "/data")
    base = ("run", "--rm", f"--volume={volume}:/data", f"--volume={tmp_path}:/backup", "debian:trixie-slim")
    bundled.compose("stop", "--timeout", "60")
    bundled.engine.docker(*base, "tar", "--create", *options, ".")
    bundled.compose("down", "--volumes")
    bundled.compose("create", "s3")
    bundled.engine.docker(*base, "tar", "--extract", *options)
    bundled.up()
    assert before
    assert bundled.processed() == before


def test_own_s3_takes_the_place_of_the_bundled_one(
    engine: DockerEngine, tree: Path, images: dict[str, str], tmp_path: Path
) -> None:
    bridge = engine.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    port, keys = free_port(), ("--env=S3_ACCESS_KEY=own", "--env=S3_SECRET_KEY=own-secret")
    s3 = engine.docker("run", "--detach", f"--publish={bridge}:{port}:7480", *keys, images["s3"])
    folder = shutil.copytree(tree, tmp_path / "clone")
    (folder / ".env").write_text(
        f"S3_ENDPOINT_URL=http://{bridge}:{port}\nS3_ACCESS_KEY=own\nS3_SECRET_KEY=own-secret\n"
        "S3_STORE_URL=s3://mine/site/store.zarr\n",
        encoding="utf-8",
    )
    own = system(engine, folder, images, "own")
    try:
        own.up()
        assert "s3" not in own.states()
        assert "xarray.Dataset" in own.smoke()
    finally:
        own.compose("down", "--volumes", "--timeout", "20", check=False)
        engine.docker("rm", "--force", "--volumes", s3)
