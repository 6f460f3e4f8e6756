from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import ROOT, Block, blocks_of
from tests.e2e.deployment import free_port, wait_until_ready

README = ROOT / "README.md"
FIRST_DATASET = ROOT / "docs" / "how-to" / "first-dataset.md"
QUEUE = ROOT / "docs" / "how-to" / "operate-the-queue.md"
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the blocks call curl")
Shell = Callable[[str], str]


def wrapper(path: Path, arguments: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which pasted commands find what a clone has, and write beside nobody."""
    shutil.copytree(ROOT / "inputs", tmp_path / "inputs")
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    wrapper(commands / "python", "")
    wrapper(commands / "ingress", "-m packages.cli.main")
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def shell(clone: Path, port: int) -> Shell:
    def run(block: str) -> str:
        pasted = block.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace(
            "curl ", "curl --fail-with-body "
        )
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", pasted],
            cwd=clone,
            env=environment(port),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{pasted}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def service(clone: Path, port: int) -> Iterator[None]:
    (block,) = (block for block in blocks_of(README, "run") if block.name == "service")
    log = clone / "service.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["bash", "-c", block.text],
            cwd=clone,
            env=environment(port),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as started,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        try:
            wait_until_ready(client, started, log)
            yield
        finally:
            os.killpg(started.pid, signal.SIGTERM)


def environment(port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")]),
    }


def commands(page: Path) -> list[Block]:
    return [block for block in blocks_of(page, "run") if block.name is None]


@pytest.mark.usefixtures("service")
def test_the_commands_of_the_readme_work_as_pasted(shell: Shell) -> None:
    printed = [shell(block.text) for block in commands(README)]
    assert '"status":"accepted"' in printed[0].replace(" ", "")
    assert '"item_id":"tree/a/b/' in printed[1].replace(" ", "")
    assert '"status":"valid"' in printed[2].replace(" ", "")
    assert printed[3].replace(" ", "").count('"state":"processed"') >= 2
    assert "xarray.Dataset" in printed[3]


@pytest.fixture
def lake(clone: Path) -> None:
    (table,), (schema,), (added,) = (
        blocks_of(FIRST_DATASET, marker) for marker in ("file", "schema", "configuration")
    )
    (clone / str(table.name)).write_text(table.text, encoding="utf-8")
    (clone / "inputs" / "schemas" / str(schema.name)).write_text(schema.text, encoding="utf-8")
    with (clone / "inputs" / "configuration.yaml").open("a", encoding="utf-8") as configuration:
        configuration.write(added.text.removeprefix("endpoints:\n"))


@pytest.mark.usefixtures("lake", "service")
def test_the_first_dataset_can_be_made_as_described(shell: Shell) -> None:
    printed = [shell(block.text) for block in commands(FIRST_DATASET)]
    assert "water_temperature" in printed[-1]
    assert "buoy: 2" in printed[-1]


@pytest.mark.usefixtures("service")
def test_a_failed_item_can_be_looked_at_and_tried_again(clone: Path, port: int, shell: Shell) -> None:
    broken = (clone / "inputs/samples/sensor/04_broken_far_cell.csv").read_bytes()
    accepted = httpx.post(
        f"http://127.0.0.1:{port}/api/v1/sensor",
        content=broken,
        headers={"Content-Type": "text/csv"},
        auth=("demo", "secret"),
        trust_env=False,
    )
    shell(".venv/bin/ingress sweep --once || test $? = 3")
    configuration = clone / "inputs" / "configuration.yaml"
    configuration.write_text(configuration.read_text(encoding="utf-8").replace("on_bad_rows: fail", ""))
    item_id = accepted.json()["item_id"]
    look, again, clean = (
        shell(block.text.replace("sensor/20261120T081500_3b200e72354d", item_id)) for block in commands(QUEUE)
    )
    assert "wet" in look
    assert "1 processed" in again
    assert "0 objects would be deleted" in clean


@pytest.mark.usefixtures("service")
def test_the_example_client_follows_its_upload(clone: Path, port: int) -> None:
    command = [sys.executable, "-u", ROOT / "tools" / "request_example.py"]
    command += [clone / "inputs/samples/weather/01_days_from_01.csv", "--endpoint", "weather"]
    command += ["--user", "demo:secret", "--url", f"http://127.0.0.1:{port}"]
    with subprocess.Popen(
        command,
        env=environment(port),
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline().startswith("accepted as weather/")
        subprocess.run(
            [clone / ".venv/bin/ingress", "sweep", "--once"], cwd=clone, env=environment(port), check=True
        )
        assert client.communicate()[0] == "processed\n"
    assert client.returncode == 0
