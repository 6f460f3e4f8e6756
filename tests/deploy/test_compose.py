from __future__ import annotations

import os
import signal

import pytest

from tests.deploy.compose import ONCE, System
from tests.rigs.waiting import wait_until

pytestmark = pytest.mark.deploy
LASTING = {
    "s3",
    "postgres",
    "ingress",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-cleaner",
}


def test_everything_is_well_after_up(bundled: System) -> None:
    states = bundled.states()
    assert states.keys() == LASTING | ONCE
    assert {states[name][0] for name in ONCE} == {"exited"}
    assert {states[name] for name in LASTING} == {("running", "healthy")}


def test_samples_become_a_dataset(bundled: System) -> None:
    said = bundled.smoke()
    assert "processed  weather/09_late_days.csv" in said
    assert "xarray.Dataset" in said


def test_ports_are_open_to_this_machine_only(bundled: System) -> None:
    hosts = [one["HostConfig"]["PortBindings"] for one in bundled.inspect().values()]
    ports = [binding for host in hosts for found in host.values() for binding in found]
    assert len(ports) == 3
    assert {binding["HostIp"] for binding in ports} == {"127.0.0.1"}


def test_nobody_is_root_and_nothing_is_written_outside_of_volumes(bundled: System) -> None:
    for name, one in bundled.inspect().items():
        host = one["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert one["Config"]["User"] in {"10001:10001", "999:999"}, name


def test_no_service_takes_the_memory_the_processes_or_the_disk_of_the_others(bundled: System) -> None:
    for name, one in bundled.inspect().items():
        host = one["HostConfig"]
        assert 0 < host["Memory"] <= 6 * 2**30, name
        assert host["PidsLimit"] == 2048, name
        assert host["LogConfig"]["Config"] == {"max-size": "20m", "max-file": "3"}, name


def test_first_process_of_every_service_takes_in_orphans(bundled: System) -> None:
    for service in LASTING - {"postgres"}:  # it is a parent that waits for its children itself
        assert bundled.compose("exec", "--no-TTY", service, "cat", "/proc/1/comm").stdout == "tini\n", service


@pytest.mark.parametrize(
    "killed",
    [["ingress"], ["airflow-scheduler"], sorted(LASTING)],
    ids=["ingress", "scheduler", "everything"],
)
def test_what_is_killed_comes_back_by_itself_and_nothing_is_lost(bundled: System, killed: list[str]) -> None:
    before = bundled.processed()
    accepted = bundled.upload()
    bundled.kill(*killed)
    bundled.await_well()
    bundled.await_processed(accepted)
    assert bundled.processed() >= before


def test_s3_comes_back_when_one_of_its_daemons_dies(bundled: System) -> None:
    s3 = bundled.inspect()["s3"]
    running = bundled.engine.docker("top", s3["Id"], "-eo", "pid,comm").splitlines()
    (pid,) = [int(line.split()[0]) for line in running if line.split()[1] == "ceph-osd"]
    os.kill(pid, signal.SIGKILL)
    before = s3["State"]["StartedAt"]
    wait_until(lambda: bundled.inspect()["s3"]["State"]["StartedAt"] != before, "another start", pause_s=0.5)
    bundled.await_well()
    bundled.await_processed(bundled.upload())


def test_data_outlives_down_and_up(bundled: System) -> None:
    before = bundled.processed()
    bundled.compose("down", "--timeout", "60")
    bundled.up()
    assert before
    assert bundled.processed() == before


def test_old_runs_and_their_logs_are_forgotten(bundled: System) -> None:
    runs = "SELECT count(*) FROM dag_run WHERE dag_id = 'ingress_processor' AND state = 'success'"
    logs = ("exec", "--no-TTY", "airflow-cleaner", "find", "/opt/airflow/logs", "-name", "*.log")
    before, written = int(bundled.query(runs)), len(bundled.compose(*logs).stdout.split())
    command = ("python", "/app/oci/clean_logs.py", "/opt/airflow/logs", "--days", "0", "--runs")
    bundled.compose("exec", "--no-TTY", "airflow-cleaner", *command)
    assert int(bundled.query(runs)) < before
    assert len(bundled.compose(*logs).stdout.split()) < written
