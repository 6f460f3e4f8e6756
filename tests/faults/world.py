"""An installation whose every storage call may fail, and what it must hold whatever failed."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from packages.common import in_order
from packages.common.keys import ItemState
from services.extractor_service import outcomes, places
from tests.extractor.site import Site, build_s3_site, build_site
from tests.faults.switch import Switch, SwitchedMemory, SwitchedQueueStorage
from zarr_fuse.commit import lease, process
from zarr_fuse.storage import location
from zarr_fuse.storage.objects import Objects

CONFIGURATION = """
endpoints:
  - {name: weather, endpoint: /api/v1/weather, schema_name: weather.yaml, target_node: station}
  - name: paths
    endpoint: /api/v1/paths
    schema_name: weather.yaml
    target_node: logger
    on_bad_rows: quarantine
    extract: {rows: "$.rows[*]", columns: {time: $.t, place: $.p, temperature: $.v}}
"""


class OneAfterTheOther:
    """In place of a thread pool: calls come in the same order in every run."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, act, *arguments):
        done = Future()
        done.set_result(act(*arguments))
        return done


class World:
    """A site in memory; `restart` is what the next process sees."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        name = uuid4().hex
        self._stores: dict[str, Any] = {}
        site = build_site(folder, store_url=f"memory://store-{name}", queue_url=f"memory://queue-{name}")
        self._begin(patch, site)
        patch.setattr(location, "open_object_store", self._store)

    def _begin(self, patch: pytest.MonkeyPatch, site: Site) -> None:
        self.site, self.switch, self.life = site, Switch(), 0
        site.write("configuration.yaml", CONFIGURATION)
        storage = type("Storage", (SwitchedQueueStorage,), {"switch": self.switch})
        patch.setattr(places, "ObjectStorage", storage)
        patch.setattr(lease, "holder", lambda: {**process.holder(), "life": self.life})
        patch.setattr(lease, "is_dead", lambda other: other["life"] != self.life)
        patch.setattr(outcomes, "BACK_OFF", (timedelta(0),))
        patch.setattr(in_order, "ThreadPoolExecutor", OneAfterTheOther)

    def _store(self, url: str, **_: object) -> Any:
        if url not in self._stores:
            made = type("Store", (SwitchedMemory,), {"switch": self.switch, "__module__": "obstore.tests"})
            self._stores[url] = made()
        return self._stores[url]

    def restart(self) -> None:
        self.switch.heal()
        self.life += 1

    def values(self, node: str) -> dict[tuple[str, str], float]:
        """Every value of a node by time and place."""
        dataset = self.site.dataset("weather.yaml", node)
        table = dataset["temperature"].to_series().dropna()
        return {(str(np.datetime64(time, "s")), place): value for (time, place), value in table.items()}

    def objects(self) -> set[str]:
        """The keys of everything in the queue."""
        storage = self.site.queue.storage
        return {info.key for state in ItemState for info in storage.list(f"{state}/")}


class S3World(World):
    """The same in a bucket."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, endpoint: str) -> None:
        self._begin(patch, build_s3_site(folder, endpoint))
        call = Objects._call
        patch.setattr(
            Objects, "_call", lambda its, key, act: call(its, key, lambda: self.switch.act(act, OSError))
        )
