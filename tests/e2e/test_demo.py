from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.rigs.ports import free_port
from tests.rigs.project import ROOT

READY = "Everything stays up until Ctrl-C."


def living_in(sessions: set[int]) -> Iterator[psutil.Process]:
    """Every living process of these sessions, whoever its parent is."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    try:
        connections = process.net_connections(kind="inet")
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return set()
    return {tuple(found.laddr) for found in connections if found.status == psutil.CONN_LISTEN}


@pytest.mark.airflow
@pytest.mark.timeout(400)
def test_the_demo_merges_its_samples_listens_on_loopback_only_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    folder, port, airflow_port = tmp_path / "demo", free_port(), free_port()
    command = [sys.executable, "-m", "packages.cli.main", "demo", "--folder", str(folder)]
    command += ["--port", str(port), "--airflow-port", str(airflow_port)]
    python_path = os.pathsep.join([str(ROOT), str(ROOT / "packages")])
    printed = ""
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": python_path}, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as demo:
        try:
            assert demo.stdout is not None
            for line in demo.stdout:
                printed += line
                if READY in line:
                    break
            assert READY in printed, printed
            sessions = {os.getsid(child.pid) for child in psutil.Process(demo.pid).children()}
            ports = {address for process in living_in(sessions) for address in listening(process)}
            assert ports == {("127.0.0.1", port), ("127.0.0.1", airflow_port)}
        finally:
            demo.send_signal(signal.SIGINT)
            printed += demo.communicate(timeout=200)[0]
    assert demo.returncode == 0, printed
    assert list(living_in(sessions)) == []
    assert "xarray.DataTree" in printed
    assert "weather/09_late_days.csv" in printed
    assert f"http://127.0.0.1:{airflow_port}" in printed
