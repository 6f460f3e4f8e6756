"""The installation that sweeps are measured on: five nodes of one store, and a queue full of small items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from packages.common.keys import new_item_id
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
NODES = 5
ROWS = 20  # of an item: one time at so many places
WRITERS = 16

NODE = """
node{number}:
  VARS:
    temperature: {{unit: degC, coords: [time, place], range: {{interval: [-60, 60]}}}}
    humidity: {{unit: "1", coords: [time, place], range: {{interval: [0, 1]}}}}
  COORDS:
    time: {{unit: {{tick: s}}, chunk_size: 1024}}
    place: {{type: "str[8]", sorted: false, chunk_size: 32}}
"""


def settings_of(folder: Path, bucket_url: str, **facts: Any) -> Settings:
    """The settings of an installation; `bucket_url` is `""` for folders."""
    base = bucket_url or (folder / "data").as_uri()
    return Settings(
        _env_file=None,
        config_path=folder / "inputs" / "configuration.yaml",
        s3_store_url=f"{base}/store.zarr",
        s3_queue_url=f"{base}/queue",
        **facts,
    )


def build(settings: Settings, items: int, large_rows: int = 0) -> None:
    """Write configuration, schema and queue; `large_rows` adds one item of so many rows before all others."""
    folder = settings.config_path.parent
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    settings.config_path.write_text("endpoints: []\n", encoding="utf-8")
    schema = "".join(NODE.format(number=number) for number in range(NODES))
    (folder / "schemas" / "bench.yaml").write_text(schema, encoding="utf-8")
    queue = Queue(ObjectStorage(settings.s3_queue_url, settings))
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(lambda one: queue.accept(*one), _uploads(items, large_rows)):
            pass


def _uploads(items: int, large_rows: int) -> Iterator[tuple[ItemMetadata, bytes]]:
    if large_rows:
        yield _upload(0, BEGIN - timedelta(days=3650), large_rows // ROWS)
    for number in range(items):
        yield _upload(number % NODES, BEGIN + timedelta(minutes=number // NODES), 1)


def _upload(node: int, first: datetime, times: int) -> tuple[ItemMetadata, bytes]:
    rows = [
        f"{(first + timedelta(minutes=time)).isoformat()},p{place},{(time + place) % 50 / 2},0.{place + 10}"
        for time in range(times)
        for place in range(ROWS)
    ]
    payload = ("time,place,temperature,humidity\n" + "\n".join(rows) + "\n").encode()
    endpoint = f"e{node}"
    metadata = ItemMetadata(
        item_id=new_item_id(endpoint, "", first),
        endpoint_name=endpoint,
        content_type="text/csv",
        received_at=first,
        size_bytes=len(payload),
        sha256=hashlib.sha256(payload).hexdigest(),
        schema_name="bench.yaml",
        target_node=f"node{node}",
    )
    return metadata, payload
