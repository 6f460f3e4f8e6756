from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.deployment import USER, Deployment, environment, wait_until_ready
from tests.rigs.ports import free_port


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    port = free_port()
    variables = environment(folder, port)
    log = folder / "service.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "packages.cli.main", "serve"],
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as service,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=USER, timeout=100, trust_env=False) as client,
    ):
        try:
            wait_until_ready(client, service, log)
            yield Deployment(folder, variables, client)
        finally:
            service.terminate()
