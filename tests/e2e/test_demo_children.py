from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, make_url

from packages.cli.demo_children import Children, DemoError
from packages.cli.demo_place import open_place
from tests.rigs.waiting import PATIENCE_S, wait_until

SLEEPER = "import os, time; os.setpgid(0, 0); print(os.getpid(), flush=True); time.sleep(600)"
GRANDPARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    with Children(tmp_path / "logs", dict(os.environ), tmp_path) as opened:
        yield opened


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_stopping_ends_what_a_process_started_in_a_group_of_its_own(children: Children) -> None:
    parent = children.start("parent", python(GRANDPARENT))
    wait_until(lambda: parent.log_path.read_text().strip() != "")
    grandchild = int(parent.log_path.read_text())
    children.stop()
    wait_until(lambda: not is_running(grandchild))
    assert not is_running(parent.process.pid)


def test_a_process_that_dies_is_named_with_the_end_of_its_log(children: Children) -> None:
    children.start("healthy", python("import time; time.sleep(600)"))
    children.start("frail", python("import sys; print('out of ink'); sys.exit(4)"))
    with pytest.raises(DemoError, match=r"(?s)frail ended with code 4.*out of ink"):
        children.wait_until(lambda: False, "nothing", timeout_s=PATIENCE_S)


def test_a_wait_that_takes_too_long_says_for_what(children: Children) -> None:
    with pytest.raises(DemoError, match="for the moon in vain"):
        children.wait_until(lambda: False, "the moon", timeout_s=0)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(DemoError, match=rf"port {taken} .*the ingress.*--port"):
            open_place(tmp_path / "demo", taken, 0)
        with pytest.raises(DemoError, match=rf"port {taken} .*Airflow.*--airflow-port"):
            open_place(tmp_path / "demo", 0, taken)
    assert not (tmp_path / "demo").exists()


def test_secrets_are_kept_between_runs_and_readable_by_the_owner_only(tmp_path: Path) -> None:
    first, second = (open_place(tmp_path / "demo", 0, 0) for _ in range(2))
    assert first.secrets == second.secrets
    for name in ("secrets.json", "airflow/passwords.json"):
        assert (tmp_path / "demo" / name).stat().st_mode & 0o077 == 0


def test_settings_of_the_caller_do_not_lead_the_demo_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("S3_ENDPOINT_URL", "ZF_STORE_URL", "AWS_PROFILE", "AIRFLOW__CORE__EXECUTOR"):
        monkeypatch.setenv(name, "elsewhere")
    environment = open_place(tmp_path / "demo", 0, 0).environment()
    assert "elsewhere" not in environment.values()


def test_a_folder_of_an_older_demo_gets_the_secrets_it_lacks_and_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "secrets.json"
    before = open_place(tmp_path / "demo", 0, 0).secrets
    kept = json.loads(path.read_text())
    del kept["waker_password"]
    path.write_text(json.dumps(kept))
    first, second = (open_place(tmp_path / "demo", 0, 0).secrets for _ in range(2))
    assert first == second
    assert first.airflow_password == before.airflow_password
    assert first.waker_password != before.waker_password


def test_the_parts_of_airflow_wait_for_each_other_at_their_database(tmp_path: Path) -> None:
    address = open_place(tmp_path / "demo", 0, 0).environment()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    _, options = create_engine(address).dialect.create_connect_args(make_url(address))
    assert options["timeout"] >= 20
