"""A small installation in a folder: configuration, schemas, extractors, queue and stores."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from packages.common.keys import ItemState, new_item_id
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Queue
from packages.common.settings import Settings
from services.extractor_service.places import open_queue, store_options
from tests.rigs.project import ROOT
from tests.rigs.s3 import new_bucket
from zarr_fuse import open_store

BEGIN = datetime(2026, 11, 20, 8, tzinfo=UTC)

CONFIGURATION = """
endpoints:
  - {name: weather, endpoint: /api/v1/weather, schema_name: weather.yaml, target_node: station}
  - name: strict
    endpoint: /api/v1/strict
    schema_name: weather.yaml
    target_node: station
    on_bad_rows: fail
  - {name: river, endpoint: /api/v1/river, schema_name: river.yaml, target_node: gauge}
  - name: logger
    endpoint: /api/v1/logger
    schema_name: weather.yaml
    target_node: logger
    fn_module: extract.devices
    extract_fn: from_bytes
  - name: forecast
    endpoint: /api/v1/forecast
    schema_name: weather.yaml
    target_node: forecast
    fn_module: extract.devices
    extract_fn: from_json
"""

NODE = """
{name}:
  VARS:
    temperature: {{unit: degC, coords: [time, place], range: {{interval: [-60, 60]}}}}
  COORDS:
    time: {{unit: {{tick: s}}, chunk_size: 64}}
    place: {{type: "str[8]", sorted: false, chunk_size: 8}}
"""

DEVICES = '''
"""Extractors of both signatures."""

import json

import pandas as pd
import polars as pl

from . import tools


def from_bytes(payload: bytes, metadata: dict) -> pl.DataFrame:
    return tools.as_frame(json.loads(payload)["readings"])


def from_json(parsed_json, dataframe_row):
    frame = pd.DataFrame(parsed_json["series"])
    frame["place"] = dataframe_row["place"]
    return frame
'''

TOOLS = """
import polars as pl


def as_frame(readings: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(readings)
"""


@dataclass
class Site:
    """One installation; times of items rise by a second each."""

    folder: Path
    settings: Settings
    seconds: Any = field(default_factory=count)

    @property
    def queue(self) -> Queue:
        return open_queue(self.settings)

    @property
    def settings_environment(self) -> dict[str, str]:
        """The settings of this installation as environment variables."""
        settings = self.settings
        keys = {"S3_ACCESS_KEY": settings.s3_access_key, "S3_SECRET_KEY": settings.s3_secret_key}
        return {
            "CONFIG_PATH": str(settings.config_path),
            "S3_STORE_URL": settings.s3_store_url,
            "S3_QUEUE_URL": settings.s3_queue_url,
            "S3_ENDPOINT_URL": settings.s3_endpoint_url or "",
            **{name: key.get_secret_value() for name, key in keys.items() if key},
        }

    def write(self, name: str, text: str) -> Path:
        path = self.folder / "inputs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def accept(self, endpoint: str, payload: bytes | str | object, node: str = "", **facts: object) -> str:
        """Put an item into the queue as the ingress does; its id."""
        known: dict[str, object] = {"content_type": "application/json", **TARGETS.get(endpoint, {}), **facts}
        received_at = BEGIN + timedelta(seconds=next(self.seconds))
        item_id = new_item_id(endpoint, node, received_at)
        metadata = ItemMetadata.model_validate(
            {
                "item_id": item_id,
                "received_at": received_at,
                "endpoint_name": endpoint,
                "node_path": node,
                **known,
            }
        )
        self.queue.accept(metadata, as_bytes(payload))
        return item_id

    def states(self) -> dict[str, list[str]]:
        """Every item id with all the states it is in."""
        found: dict[str, list[str]] = {}
        for state in ItemState:
            for item in self.queue.items(state):
                found.setdefault(item.item_id, []).append(str(state))
        return found

    def metadata(self, item_id: str) -> ItemMetadata:
        item = self.queue.find(item_id)
        assert item is not None
        metadata = self.queue.metadata(item)
        assert metadata is not None
        return metadata

    def error(self, item_id: str) -> tuple[str, str]:
        """Kind and message of a failed item."""
        outcome = self.metadata(item_id).outcome
        assert outcome is not None
        assert outcome.error is not None
        return outcome.error.kind, outcome.error.message

    def dataset(self, schema: str, node: str) -> xr.Dataset:
        root = open_store(self.folder / "inputs" / "schemas" / schema, **store_options(self.settings))
        return root[node].dataset.load()


TARGETS: dict[str, dict[str, object]] = {
    "weather": {"schema_name": "weather.yaml", "target_node": "station", "content_type": "text/csv"},
    "strict": {"schema_name": "weather.yaml", "target_node": "station", "content_type": "text/csv"},
    "river": {"schema_name": "river.yaml", "target_node": "gauge"},
    "logger": {
        "schema_name": "weather.yaml",
        "target_node": "logger",
        "fn_module": "extract.devices",
        "extract_fn": "from_bytes",
    },
    "forecast": {
        "schema_name": "weather.yaml",
        "target_node": "forecast",
        "fn_module": "extract.devices",
        "extract_fn": "from_json",
        "dataframe_row": {"place": "peak"},
    },
}


def clean_environment() -> dict[str, str]:
    """The environment of another process, without what the one of this process says about storage."""
    own = ("S3_", "ZF_", "AWS_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    return inherited | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")])}


def as_bytes(payload: bytes | str | object) -> bytes:
    if isinstance(payload, bytes):
        return payload
    return (payload if isinstance(payload, str) else json.dumps(payload)).encode()


def build_site(
    folder: Path, store_url: str = "", queue_url: str = "", river_url: str = "", **facts: Any
) -> Site:
    """Write an installation; stores and queue lie in the folder unless addresses are given."""
    settings = Settings(
        _env_file=None,
        config_path=folder / "inputs" / "configuration.yaml",
        s3_store_url=store_url or (folder / "store.zarr").as_uri(),
        s3_queue_url=queue_url or (folder / "queue").as_uri(),
        **facts,
    )
    site = Site(folder, settings)
    site.write("configuration.yaml", CONFIGURATION)
    site.write(
        "schemas/weather.yaml", "".join(NODE.format(name=n) for n in ("station", "logger", "forecast"))
    )
    river = f"ATTRS: {{STORE_URL: '{river_url or (folder / 'river.zarr').as_uri()}'}}\n"
    site.write("schemas/river.yaml", river + NODE.format(name="gauge"))
    site.write("extract/devices.py", DEVICES)
    site.write("extract/tools.py", TOOLS)
    return site


def build_s3_site(folder: Path, endpoint_url: str) -> Site:
    """Write an installation whose stores and queue lie in a fresh bucket."""
    bucket = new_bucket(endpoint_url)
    return build_site(
        folder,
        store_url=bucket.url("store.zarr"),
        queue_url=bucket.url("queue"),
        river_url=bucket.url("river.zarr"),
        **bucket.access,
    )


def readings(number: int, place: str = "valley", rows: int = 3) -> list[dict[str, object]]:
    """Records of some consecutive times; `number` shifts them."""
    first = BEGIN + timedelta(minutes=10 * number * rows)
    return [
        {
            "time": (first + timedelta(minutes=10 * row)).isoformat(),
            "place": place,
            "temperature": number + row / 10,
        }
        for row in range(rows)
    ]


def csv(number: int, place: str = "valley", rows: int = 3) -> str:
    lines = [",".join(str(value) for value in one.values()) for one in readings(number, place, rows)]
    return "time,place,temperature\n" + "\n".join(lines) + "\n"


def assert_holds(dataset: xr.Dataset, numbers: set[int], place: str = "valley") -> None:
    """The dataset holds exactly the readings of these numbers."""
    rows = [one for number in sorted(numbers) for one in readings(number)]
    times = np.array([str(one["time"])[:19] for one in rows], dtype="datetime64[ns]")
    np.testing.assert_array_equal(dataset["time"], times)
    assert dataset["place"].values.tolist() == [place]
    np.testing.assert_array_equal(dataset["temperature"].values[:, 0], [one["temperature"] for one in rows])
