"""A real server on a free loopback port, in a thread of the test."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.main import server_config
from services.ingress_service.web.app import create_app
from tests.rigs.waiting import PATIENCE_S

SCHEMA = """
station:
  VARS:
    temperature: {unit: degC, coords: [time, name], range: {interval: [-60, 60]}}
    humidity: {unit: "%", coords: [time, name]}
  COORDS:
    time: {unit: {tick: s}}
    name: {type: "str[16]", sorted: false}
  deep:
    lower:
      VARS: {level: {unit: m, coords: [when]}}
      COORDS: {when: {unit: {tick: s}}}
grid:
  VARS:
    east: {unit: km, df_col: E, coords: place}
    north: {unit: km, df_col: N, coords: place}
    value: {unit: m, coords: [place]}
  COORDS:
    place: {composed: [east, north]}
"""
CONFIGURATION = """
endpoints:
  - {name: weather, endpoint: /api/v1/weather, schema_name: tree.yaml, target_node: station}
  - {name: nested, endpoint: /api/v1/weather/nested, schema_name: tree.yaml, target_node: station/deep/lower}
  - {name: grid, endpoint: /api/v1/grid, schema_name: tree.yaml, target_node: grid}
  - {name: strict, endpoint: /api/v1/strict, schema_name: tree.yaml, target_node: station, on_bad_rows: fail}
  - {name: doc, endpoint: /api/v1/doc, schema_name: tree.yaml, target_node: station, fn_module: extract.doc,
     extract_fn: normalise}
  - {name: private, endpoint: /api/v1/private, schema_name: tree.yaml, target_node: station, users: [bob]}
"""
EXTRACTOR = "def normalise(payload, metadata):\n    raise NotImplementedError\n"
USERS: dict[str, Any] = {
    "alice": "wonder",
    "bob": {"password": "builder"},
    "carol": {"password": "lim", "endpoints": ["grid"]},
    "root": {"password": "toor", "roles": ["admin"]},
}
ALICE, BOB, CAROL, ROOT = ("alice", "wonder"), ("bob", "builder"), ("carol", "lim"), ("root", "toor")
CSV = b"time,name,temperature,humidity\n2026-10-01T00:00:00Z,east,5.5,80\n2026-10-01T01:00:00Z,east,5.1,81\n"
CSV_TYPE = {"Content-Type": "text/csv"}


def write_inputs(folder: Path) -> Path:
    """Configuration, schema and extractor of the tests; returns the path of the configuration."""
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    (folder / "extract").mkdir(exist_ok=True)
    (folder / "extract" / "doc.py").write_text(EXTRACTOR)
    (folder / "schemas" / "tree.yaml").write_text(SCHEMA)
    (folder / "configuration.yaml").write_text(CONFIGURATION)
    return folder / "configuration.yaml"


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings of a service whose queue and inputs lie in `folder`."""
    values: dict[str, Any] = {
        "config_path": write_inputs(folder / "inputs"),
        "s3_store_url": (folder / "store.zarr").as_uri(),
        "basic_auth_users_json": json.dumps(USERS),
        "port": 0,
        "max_upload_bytes": 8 << 20,
        "max_decompressed_bytes": 16 << 20,
    }
    return Settings(_env_file=None, **(values | changes))


@dataclass(frozen=True)
class Service:
    """A running server and its queue."""

    app: FastAPI
    settings: Settings
    port: int
    client: httpx.Client

    @property
    def queue(self) -> Queue:
        return Queue(ObjectStorage(self.settings.s3_queue_url, self.settings))

    def stored_keys(self) -> set[str]:
        """All keys of the queue."""
        return {
            info.key
            for state in ("accepted", "processed", "failed")
            for info in self.queue.storage.list(f"{state}/")
        }

    def post(self, path: str = "/api/v1/weather", content: Any = CSV, **options: Any) -> httpx.Response:
        options.setdefault("headers", CSV_TYPE)
        return self.client.post(path, content=content, **options)

    def raw(self, data: bytes, timeout_s: float = PATIENCE_S) -> bytes:
        """Send bytes as they are; everything the server answers until it closes or pauses."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(data)
            return receive(connection)


def receive(connection: socket.socket) -> bytes:
    """Read one whole response, by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    length = int(found[1]) if found else 0
    while len(body) < length and (piece := connection.recv(65536)):
        body += piece
    return head + b"\r\n\r\n" + body


@contextmanager
def running(settings: Settings) -> Iterator[Service]:
    """Serve the application of these settings until the block ends."""
    app = create_app(settings)
    server = uvicorn.Server(server_config(app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.005)
        port = listener.getsockname()[1]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", auth=ALICE, timeout=100, trust_env=False
        ) as client:
            yield Service(app, settings, port, client)
        server.should_exit = True
        thread.join(PATIENCE_S)
