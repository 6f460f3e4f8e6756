from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from tests.rigs.ceph_rgw import CephRgw
from tests.rigs.ports import refusing_port
from tests.rigs.s3 import Bucket, new_bucket


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    """No setting and no AWS credential of the machine reaches a test."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def s3_bucket(moto_endpoint: str) -> Bucket:
    return new_bucket(moto_endpoint)


@pytest.fixture(scope="session")
def rgw_bucket(rgw: CephRgw) -> Bucket:
    return new_bucket(rgw.endpoint, "rgw")


@pytest.fixture(params=["file", "memory", "s3", pytest.param("rgw", marks=pytest.mark.rgw)])
def settings(request, tmp_path: Path) -> Settings:
    """Settings for an empty queue on each kind of storage."""
    name = uuid.uuid4().hex
    if request.param in {"s3", "rgw"}:
        bucket: Bucket = request.getfixturevalue(f"{request.param}_bucket")
        return Settings(s3_queue_url=bucket.url(name), **bucket.access)
    url = (tmp_path / "deep" / "queue").as_uri() if request.param == "file" else f"memory://{name}"
    return Settings(s3_queue_url=url)


@pytest.fixture
def storage(settings: Settings) -> ObjectStorage:
    return ObjectStorage(settings.s3_queue_url, settings)


@pytest.fixture
def queue(storage: ObjectStorage) -> Queue:
    return Queue(storage)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port of loopback that takes no connection."""
    with refusing_port() as port:
        yield port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose server takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


class Slow(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.8)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("ETag", '"x"')
            self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def slow_port() -> Iterator[int]:
    """A port whose server takes 0.8 s for every PUT."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()
