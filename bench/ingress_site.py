"""The service as a real process in front of a storage, and what the system says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.ingress_floor import FloorJob
from bench.ingress_load import Job, Seen

SAMPLE_S = 0.02
CONFIGURATION = """
endpoints:
  - {name: bench, endpoint: /api/v1/bench, schema_name: bench.yaml, target_node: station}
"""
SCHEMA = """
station:
  VARS:
    temperature: {unit: degC, coords: [time, name], range: {interval: [-60, 60]}}
    humidity: {unit: "%", coords: [time, name]}
  COORDS:
    time: {unit: {tick: s}}
    name: {type: "str[16]", sorted: false}
"""


@dataclass(frozen=True)
class Storage:
    """An S3 with a bucket."""

    endpoint: str
    bucket: str = "bucket"
    access_key: str = "key"
    secret_key: str = "secret"


@contextmanager
def stub() -> Iterator[Storage]:
    """The storage that answers at once."""
    with _process("bench.storage_stub", stdout=subprocess.PIPE) as process:
        yield Storage(f"http://127.0.0.1:{int(_line(process))}")


class Site:
    """One running service."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = psutil.Process(process.pid)

    def clients(self, job: Job) -> Seen:
        """Run the load in a process of its own."""
        before = self._cpu_s()
        seen = _seen("bench.ingress_load", json.dumps(asdict(job)))
        seen.cpu_s = self._cpu_s() - before
        return seen

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        """Resident memory of the service and its children."""
        found = [self._process, *self._process.children(recursive=True)]
        return sum(one.memory_info().rss for one in found if one.is_running())

    @contextmanager
    def watched(self) -> Iterator[list[int]]:
        """The resident memory in a list of its own, sampled for the length of the block."""
        samples, done = [self.rss_bytes()], threading.Event()

        def sample() -> None:
            while not done.wait(SAMPLE_S):
                samples.append(self.rss_bytes())

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield samples
        finally:
            done.set()
            thread.join()


@contextmanager
def service(folder: Path, storage: Storage) -> Iterator[Site]:
    """The ingress in front of a storage, with one worker process, ready to take uploads."""
    (folder / "schemas").mkdir(parents=True)
    (folder / "configuration.yaml").write_text(CONFIGURATION, encoding="utf-8")
    (folder / "schemas" / "bench.yaml").write_text(SCHEMA, encoding="utf-8")
    environment = {
        "BASIC_AUTH_USERS_JSON": json.dumps({"bench": "bench"}),
        "CONFIG_PATH": str(folder / "configuration.yaml"),
        "LOG_FORMAT": "json",
        "PORT": "0",
        "S3_ENDPOINT_URL": storage.endpoint,
        "S3_ACCESS_KEY": storage.access_key,
        "S3_SECRET_KEY": storage.secret_key,
        "S3_STORE_URL": f"s3://{storage.bucket}/bench.zarr",
        "MAX_UPLOAD_BYTES": str(2 << 30),
    }
    log = (folder / "service.log").open("wb")
    with log, _process("services.ingress_service.main", environment, stdout=log, cwd=folder) as process:
        yield Site(process, _port(folder / "service.log", process))


def floor(job: FloorJob) -> Seen:
    """Run the floor in a process of its own."""
    return _seen("bench.ingress_floor", json.dumps(asdict(job)))


def _seen(module: str, job: str) -> Seen:
    with _process(module, arguments=(job,), stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=600)
    return Seen(**json.loads(output))


@contextmanager
def _process(
    module: str,
    environment: dict[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    stdout: object = None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("S3_", "AWS_"))}
    root = Path(__file__).parents[1]
    kept["PYTHONPATH"] = os.pathsep.join([str(root), str(root / "packages")])
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=kept | (environment or {}),
        stdout=stdout,  # type: ignore[call-overload]
        stderr=stdout if environment else None,
        cwd=cwd,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _line(process: subprocess.Popen[bytes]) -> bytes:
    return process.stdout.readline() if process.stdout is not None else b""


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8")):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text(encoding='utf-8')[-2000:]}")
