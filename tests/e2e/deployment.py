"""A real service in its own process, a real sweep beside it, and nothing between the test and the files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.rigs.project import ROOT

USER = ("station", "secret")
START_TIMEOUT_S = 100


@dataclass(frozen=True)
class Deployment:
    """One folder with queue and store, the service over it, and a client of that service."""

    folder: Path
    environment: dict[str, str]
    client: httpx.Client

    @property
    def store(self) -> Path:
        return self.folder / "store.zarr"

    def queued_files(self) -> list[str]:
        """Everything below the queue but what the probe of the storage leaves for a moment."""
        queue = self.folder / "queue"
        found = (path.relative_to(queue).as_posix() for path in queue.rglob("*") if path.is_file())
        return sorted(key for key in found if not key.startswith("probe/"))

    def sweep(self) -> int:
        command = [sys.executable, "-m", "packages.cli.main", "sweep", "--once"]
        swept = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert swept.returncode in {0, 3}, swept.stdout + swept.stderr
        return swept.returncode

    def post(self, path: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
        return self.client.post(path, content=content, headers={"Content-Type": content_type})

    def item(self, accepted: httpx.Response) -> dict:
        return self.client.get(accepted.json()["state_url"]).raise_for_status().json()


def environment(folder: Path, port: int) -> dict[str, str]:
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("S3_", "ZF_", "AWS_"))
    }
    return inherited | {
        "BASIC_AUTH_USERS_JSON": json.dumps({USER[0]: USER[1]}),
        "CONFIG_PATH": str(ROOT / "inputs" / "configuration.yaml"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")]),
        "S3_STORE_URL": (folder / "store.zarr").as_uri(),
    }


def wait_until_ready(client: httpx.Client, service: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert service.poll() is None, log.read_text()
        try:
            if client.get("/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the service is not ready:\n{log.read_text()}")
