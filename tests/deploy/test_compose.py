from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.deploy.compose import System, system
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


def test_both_services_get_the_variables_that_the_configuration_names(bundled: System) -> None:
    (bundled.folder / "services.env").write_text("STATIONS_TOKEN='a$b c'\nEXTRACTOR_TIMEOUT_S=61\n")
    bundled.up()
    for service in ("ingress", "airflow-scheduler"):
        show = "import os; print(os.environ['STATIONS_TOKEN'], os.environ['EXTRACTOR_TIMEOUT_S'])"
        said = bundled.compose("exec", "--no-TTY", service, "python", "-c", show).stdout
        assert said == "a$b c 61\n"


def test_uploads_are_taken_into_the_spool_while_the_storage_is_away(bundled: System) -> None:
    with (bundled.folder / ".env").open("a") as file:
        file.write("SPOOL_DIR=/spool\n")
    bundled.up()
    bundled.compose("stop", "s3")
    item_id = bundled.upload("weather", bundled.folder / "inputs/samples/weather/01_days_from_01.csv")
    bundled.up()
    deadline = time.monotonic() + 180
    while item_id not in bundled.processed():
        assert time.monotonic() < deadline
        time.sleep(1)


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
    own = system(engine, folder, images, COMPOSE_PROJECT_NAME="own")
    try:
        own.up()
        assert "s3" not in own.states()
        assert "xarray.Dataset" in own.smoke()
    finally:
        own.compose("down", "--volumes", "--timeout", "20", check=False)
        engine.docker("rm", "--force", "--volumes", s3)
