"""How soon an upload is readable in its dataset, through the real ingress and the real Airflow."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from rich.table import Table

from bench.freshness_site import NODE, FreshnessSite, Journey

UPLOADS, EVERY_S = 30, 2.0
WARM_UP = 4
PATIENCE_S = 60.0
POLL_S = 0.02
TARGETS_S = {"p50": 2.5, "p95": 5.0}
FIRST = datetime(2026, 1, 1, tzinfo=UTC)

Status = Callable[[str], None]


@dataclass
class Watch:
    """Notes when each time became readable with `xr.open_zarr`; looks only when the dataset has changed."""

    store: Path
    seen_at: dict[datetime, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until `stop`."""
        changed_at = None
        while not self._stop.wait(POLL_S):
            try:
                now_changed_at = (self.store / NODE / "time" / "zarr.json").stat().st_mtime_ns
                if now_changed_at == changed_at:
                    continue
                self._look()
            except (OSError, LookupError, ValueError):
                continue  # a write is under way: look again
            changed_at = now_changed_at

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    def _look(self) -> None:
        with xr.open_zarr(self.store, group=NODE, consolidated=False) as dataset:
            readable = np.isfinite(dataset["level"].values).any(axis=1)
            times = dataset["time"].values[readable].astype("datetime64[s]").tolist()
        now = time.time()
        for one in times:
            self.seen_at.setdefault(one.replace(tzinfo=UTC), now)


@dataclass(frozen=True)
class Freshness:
    """All journeys of a run, and the load of the machine around them."""

    journeys: list[Journey]
    load: tuple[float, float]

    def quantile(self, name: str) -> float:
        """p50 or p95 of the whole way, in seconds."""
        ways = sorted(one.total_s for one in self.journeys)
        return statistics.median(ways) if name == "p50" else ways[max(0, -(-len(ways) * 95 // 100) - 1)]

    @property
    def has_missed(self) -> bool:
        """Whether a target was missed."""
        return any(self.quantile(name) > limit for name, limit in TARGETS_S.items())


def measure(folder: Path, status: Status) -> Freshness:
    """Upload every two seconds for a minute, and follow each upload to the dataset."""
    site = FreshnessSite(folder)
    watch = Watch(site.store)
    with site.running(status):
        watcher = threading.Thread(target=watch.run, daemon=True)
        watcher.start()
        for number in range(WARM_UP):
            status(f"freshness: warming up, {number + 1} of {WARM_UP}")
            _followed(site, watch, number)
        load_before = os.getloadavg()[0]
        sent = _sent(site, status)
        _wait(lambda: all(when in watch.seen_at for when, *_ in sent))
        time.sleep(1)  # the last run reports itself
        watch.stop()
        watcher.join()
        journeys = site.journeys(
            [(item, began, done, watch.seen_at[when]) for when, item, began, done in sent]
        )
    return Freshness(journeys, (load_before, os.getloadavg()[0]))


def _followed(site: FreshnessSite, watch: Watch, number: int) -> None:
    when = FIRST + timedelta(minutes=number)
    site.upload(when, number)
    _wait(lambda: when in watch.seen_at)


def _sent(site: FreshnessSite, status: Status) -> list[tuple[datetime, str, float, float]]:
    """Time label, item id, when the upload began and when it was answered, of every upload."""
    sent, start = [], time.monotonic()
    for number in range(UPLOADS):
        time.sleep(max(0.0, start + number * EVERY_S - time.monotonic()))
        status(f"freshness: upload {number + 1} of {UPLOADS}")
        when, began = FIRST + timedelta(days=1, minutes=number), time.time()
        sent.append((when, site.upload(when, number), began, time.time()))
    return sent


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"an upload was not readable after {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)


def freshness_table(found: Freshness) -> Table:
    """The quantiles against their targets, then where the time goes."""
    before, after = found.load
    every = f"{len(found.journeys)} uploads, one every {EVERY_S:g} s"
    table = Table(
        title="freshness: upload → readable with xr.open_zarr",
        caption=f"{every}, SQLite; load {before:.1f} to {after:.1f}",
    )
    table.add_column("stage")
    for column in ("median", "p95", "share"):
        table.add_column(column, justify="right")
    whole = sum(one.total_s for one in found.journeys)
    for name in found.journeys[0].stages_s:
        spent = sorted(one.stages_s[name] for one in found.journeys)
        late = spent[max(0, -(-len(spent) * 95 // 100) - 1)]
        table.add_row(name, f"{statistics.median(spent):.2f} s", f"{late:.2f} s", f"{sum(spent) / whole:.0%}")
    table.add_section()
    shown = {}
    for name, limit in TARGETS_S.items():
        value = found.quantile(name)
        shown[name] = f"[{'red' if value > limit else 'green'}]{value:.2f} s[/] (≤ {limit:g})"
    table.add_row("the whole way", shown["p50"], shown["p95"], "100%")
    return table
