from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import README, Shell, blocks_of, environment
from tests.e2e.deployment import wait_until_ready
from tests.rigs.ports import free_port
from tests.rigs.project import ROOT


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
