"""The service as a process: how it starts, refuses to start, and stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from services.ingress_service import main as service_main
from tests.ingress.live import ALICE, CSV, CSV_TYPE, USERS, write_inputs
from tests.rigs.project import ROOT

STOP_TIMEOUT_S = 60
Start = Callable[..., subprocess.Popen[str]]


def environment(folder: Path) -> dict[str, str]:
    return {
        "BASIC_AUTH_USERS_JSON": json.dumps(USERS),
        "CONFIG_PATH": str(write_inputs(folder / "inputs")),
        "PORT": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")]),
        "S3_STORE_URL": (folder / "store.zarr").as_uri(),
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*command: str, **changes: str) -> subprocess.Popen[str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("S3_", "AWS_", "ZF_"))
        }
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=kept | environment(tmp_path) | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def client_of(process: subprocess.Popen[str]) -> httpx.Client:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return httpx.Client(base_url=found[0], auth=ALICE, trust_env=False, timeout=STOP_TIMEOUT_S)
    raise AssertionError("the service did not say where it listens")


def listens(port: int | None) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port or 0), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_a_request_in_flight_is_finished_before_the_stop(start: Start) -> None:
    process = start("services.ingress_service.main")
    release = threading.Event()
    answers: list[httpx.Response] = []

    def body() -> Iterator[bytes]:
        yield CSV[:20]
        release.wait(STOP_TIMEOUT_S)
        yield CSV[20:]

    with client_of(process) as client:
        thread = threading.Thread(
            target=lambda: answers.append(client.post("/api/v1/weather", content=body(), headers=CSV_TYPE))
        )
        thread.start()
        while "in_flight 1.0" not in client.get("/metrics").text:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        while listens(client.base_url.port):
            time.sleep(0.02)
        release.set()
        thread.join(STOP_TIMEOUT_S)
    output, _ = process.communicate(timeout=STOP_TIMEOUT_S)
    assert (process.returncode, answers[0].status_code) == (0, 202), output
    assert "Traceback" not in output


def test_each_request_leaves_one_line_and_ctrl_c_stops_the_command(start: Start) -> None:
    process = start("packages.cli.main", "serve", LOG_FORMAT="json")
    with client_of(process) as client:
        client.get("/health")
        client.post("/api/v1/weather", content=b"", headers=CSV_TYPE | {"X-Request-ID": "trace-me"})
        item_id = client.post("/api/v1/weather", content=CSV, headers=CSV_TYPE).json()["item_id"]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=STOP_TIMEOUT_S)
    assert process.returncode == 0, output
    lines = [json.loads(line) for line in output.splitlines()]
    refused, stored = (line for line in lines if line["event"] == "request")
    assert (refused["status"], refused["outcome"], refused["user"]) == (406, "payload_empty", "alice")
    assert refused["request_id"] == "trace-me"
    assert (stored["status"], stored["outcome"], stored["item_id"]) == (202, "ok", item_id)
    assert stored["received_bytes"] == len(CSV)
    assert "wonder" not in output


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment for `main()` in this process, whose logging stays as it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(service_main, "configure_logging", lambda *_: None)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_taken_port_is_named(prepared: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        prepared.setenv("PORT", str(port))
        assert service_main.main() == 1
    expected = f"cannot listen on 127.0.0.1:{port}: Address already in use; PORT chooses another port\n"
    assert expected in capsys.readouterr().err


def test_everything_wrong_is_said_at_once(
    prepared: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("endpoints:\n  - {name: a, endpoint: /api/v1/a, schema_name: b.yaml, target_nod: x}\n")
    prepared.setenv("CONFIG_PATH", str(wrong))
    prepared.setenv("BASIC_AUTH_USERS_JSON", '{"eve": "$argon2id$hidden"}')
    prepared.setenv("S3_QUEUE_URL", "ftp://queue")
    assert service_main.main() == 2
    said = capsys.readouterr().err
    assert re.search(r"wrong\.yaml:2: .*unknown key; the nearest known one is 'target_node'", said)
    assert "'eve'" in said
    assert "ftp" in said
    assert "hidden" not in said


def test_every_schema_problem_is_said_at_once(
    prepared: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = tmp_path / "inputs" / "configuration.yaml"
    configuration.write_text(
        "endpoints:\n"
        "  - {name: a, endpoint: /a, schema_name: broken.yaml}\n"
        "  - {name: b, endpoint: /b, schema_name: tree.yaml, target_node: nowhere}\n"
    )
    (tmp_path / "inputs" / "schemas" / "broken.yaml").write_text("VARS: {x: {coord: [t]}}\n")
    assert service_main.main() == 2
    said = capsys.readouterr().err
    assert re.search(r"broken\.yaml:VARS/x", said)
    assert re.search(r"tree\.yaml.*'nowhere'", said)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "many"), ("BASIC_AUTH_USERS_JSON", "{"), ("CONFIG_PATH", "nowhere.yaml")]
)
def test_wrong_settings_are_named(
    prepared: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    prepared.setenv(name, value)
    assert service_main.main() == 2
    said = capsys.readouterr().err
    assert (name if name != "CONFIG_PATH" else value) in said
