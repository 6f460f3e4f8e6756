"""`python -m bench.sweep`: how fast a queue of small items is swept, against moving the same objects bare.

Each measurement is a process of its own. The floor lists, gets, copies and deletes what the sweep has left,
with as many requests in flight: it converts and merges nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.machine import facts
from bench.table import facts_table
from tests.rigs.ceph_rgw import running_gateway
from tests.rigs.s3 import new_bucket

ROOT = Path(__file__).parents[1]
REQUESTS, SHARE = 8.0, 0.5  # targets: requests an item at most, of the floor's rate at least
MIB = 2**20
Status = Callable[[str], None]


@dataclass(frozen=True)
class Swept:
    """One sweep and its floor."""

    storage: str
    items: int
    large_rows: int
    sweep: dict[str, Any]
    floor: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Of the sweep."""
        return float(self.sweep["seconds"][0])

    @property
    def requests(self) -> float:
        """Requests an item, those of the merge included."""
        return float(sum(self.sweep["of_queue"].values()) + self.sweep["of_store"]) / self.items

    @property
    def share(self) -> float:
        """Of the floor's rate."""
        return float(self.floor["seconds"][0]) / self.seconds


def measure(folder: Path, storage: str, items: int, large_rows: int = 0, max_bytes: int = 0) -> Swept:
    """Fill a queue, sweep it, and move its objects bare."""
    with _place(storage) as (bucket_url, access):
        bound = {"sweep_max_bytes": max_bytes} if max_bytes else {}
        asked: dict[str, Any] = {
            "folder": str(folder),
            "bucket_url": bucket_url,
            "settings": {**access, **bound},
        }
        asked |= {"items": items, "large_rows": large_rows}
        _child("build", asked)
        swept = json.loads(_child("sweep", asked))
        expected = items + bool(large_rows)
        if swept["counts"]["processed"] != expected:
            raise RuntimeError(f"not every item was processed: {swept['counts']}")
        return Swept(storage, expected, large_rows, swept, json.loads(_child("floor", asked)))


@contextmanager
def _place(storage: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a fresh bucket and what it takes to get at it; both empty for folders."""
    if storage == "file":
        yield "", {}
        return
    with running_gateway() as gateway:
        bucket = new_bucket(gateway.endpoint, "rgw")
        yield f"s3://{bucket.name}", bucket.access


def _child(act: str, asked: dict[str, Any]) -> str:
    command = [sys.executable, "-m", "bench.sweep_child", act, json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{act} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def sweep_table(found: list[Swept]) -> Table:
    """One row a measurement."""
    table = Table(title=f"sweep: targets ≤ {REQUESTS:g} requests an item, ≥ {SHARE:g} of the floor's rate")
    headings = (
        "seconds",
        "processor",
        "fsync",
        "items/s",
        "floor items/s",
        "of the floor",
        "requests",
        "peak",
    )
    for heading in ("storage", "items", *headings, "floor's peak"):
        table.add_column(heading, justify="left" if heading == "storage" else "right")
    for one in found:
        floor_s = one.floor["seconds"][0]
        table.add_row(
            one.storage,
            f"{one.items:,}" + (f" (one of {one.large_rows:,} rows)" if one.large_rows else ""),
            f"{one.seconds:.2f}",
            f"{one.sweep['cpu_s'][0]:.2f}",
            f"{one.sweep['fsync_s'][0]:.2f}",
            f"{one.items / one.seconds:.0f}",
            f"{one.items / floor_s:.0f}",
            f"{one.share:.2f}",
            f"{one.requests:.1f}",
            f"{one.sweep['peak_bytes'] / MIB:.0f} MiB",
            f"{one.floor['peak_bytes'] / MIB:.0f} MiB",
        )
    return table


def main(
    items: Annotated[list[int] | None, typer.Option(help="How many items; default 1000.")] = None,
    storage: Annotated[list[str] | None, typer.Option(help="`file` or `ceph`; default both.")] = None,
    large_rows: Annotated[int, typer.Option(help="One more item, of so many rows, before the others.")] = 0,
    max_bytes: Annotated[int, typer.Option(help="SWEEP_MAX_BYTES; default: that of the settings.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Where folders are made, and removed again.")] = None,
) -> None:
    """Measure sweeps of small items."""
    console = Console()
    found: list[Swept] = []
    with ExitStack() as stack:
        status = stack.enter_context(console.status(""))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=folder)))
        machine = facts(place)
        for where in storage or ["file", "ceph"]:
            for count in items or [1000]:
                status.update(f"{count} items on {where}")
                here = place / f"{where}-{count}"
                found.append(measure(here, where, count, large_rows, max_bytes))
    console.print(facts_table(machine))
    console.print(sweep_table(found))


if __name__ == "__main__":
    typer.run(main)
