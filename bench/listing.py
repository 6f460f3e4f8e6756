"""`python -m bench.listing`: what a page of the queue costs in requests and seconds, by what is asked for."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from bench.listing_site import END, fill
from bench.machine import facts
from bench.table import facts_table
from packages.common.keys import ItemState
from packages.common.objects import ObjectInfo
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.web.items import views as item_views
from services.ingress_service.web.items.listing import Query, newest
from tests.rigs.ceph_rgw import running_gateway
from tests.rigs.s3 import new_bucket
from zarr_fuse.storage.opening import Store, open_object_store

PAGE = 50
PAGE_KEYS = 1000
DAY = END - timedelta(days=40)
QUERIES = {
    "no filter": Query(),
    "endpoint (3 folders)": Query(endpoints=("e0",)),
    "endpoint, state=failed": Query(endpoints=("e0",), state=ItemState.FAILED),
    "endpoint, node": Query(endpoints=("e0",), node="a"),
    "state=failed": Query(state=ItemState.FAILED),
    "one day, forty days ago": Query(since=DAY, until=DAY + timedelta(days=1)),
}


class Cost(NamedTuple):
    """The best of some rounds."""

    query: str
    seconds: float
    cpu_s: float
    requests: Counter[str]
    items: int


class Counted(ObjectStorage):
    """A storage that counts its requests; threads may miss none, since each adds by a list's append."""

    def __init__(self, url: str, settings: Settings) -> None:
        super().__init__(url, settings)
        self.made: list[str] = []

    def list(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        """A request a thousand keys."""
        self.made.append("LIST")
        for number, info in enumerate(super().list(prefix, after), 1):
            if number % PAGE_KEYS == 1 and number > 1:
                self.made.append("LIST")
            yield info

    def get(self, key: str) -> bytes:
        """One request."""
        self.made.append("GET")
        return super().get(key)

    def head(self, key: str) -> ObjectInfo | None:
        """One request."""
        self.made.append("HEAD")
        return super().head(key)


def costs(storage: Counted, rounds: int) -> Iterator[Cost]:
    """Each query, then what is behind its first page, and the state of one item."""
    queue = Queue(storage)
    for name, query in QUERIES.items():
        yield _best(name, storage, rounds, partial(_page, queue, query))
    shown = newest(queue, Query(), PAGE)
    yield _best(
        "no filter, next page", storage, rounds, lambda: _page(queue, Query(cursor=shown[-1].item_id))
    )
    middle = newest(queue, Query(until=DAY), 1)[0].item_id
    yield _best("one item's state", storage, rounds, lambda: _state(queue, middle))


def _page(queue: Queue, query: Query) -> int:
    found = newest(queue, query, PAGE + 1)[:PAGE]
    return len(item_views.views(queue, found, query.state))


def _state(queue: Queue, item_id: str) -> int:
    item = queue.find(item_id)
    return int(item is not None and item_views.current_view(queue, item) is not None)


def _best(name: str, storage: Counted, rounds: int, act: Callable[[], int]) -> Cost:
    found = []
    for _ in range(rounds):
        storage.made.clear()
        began, cpu_began = time.perf_counter(), time.process_time()
        items = act()
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        found.append(Cost(name, seconds, cpu_s, Counter(storage.made), items))
    return min(found, key=lambda cost: cost.seconds)


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Settings]:
    """Settings of an empty queue on a local folder or on a real Ceph gateway."""
    if kind == "file":
        yield Settings(_env_file=None, s3_queue_url=folder.as_uri())
        return
    with running_gateway() as gateway:
        bucket = new_bucket(gateway.endpoint, "rgw")
        yield Settings(_env_file=None, s3_queue_url=f"s3://{bucket.name}/queue", **bucket.access)


def main(
    items: Annotated[int, typer.Option(help="In the queue; two objects each.")] = 20_000,
    storage: Annotated[str, typer.Option(help="`file`, or `ceph` (needs root).")] = "file",
    rounds: Annotated[int, typer.Option(help="The best counts.")] = 3,
) -> None:
    """Fill a queue and ask for pages of 50 items, as the HTTP API does."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, place(storage, Path(name)) as settings:
        began = time.perf_counter()
        fill(_store(settings), items)
        took = time.perf_counter() - began
        found = list(costs(Counted(settings.s3_queue_url, settings), rounds))
        console.print(facts_table(facts(Path(name))))
        console.print(table(found, f"{items:,} items on {storage}, filled in {took:.0f} s; best of {rounds}"))


def table(found: list[Cost], title: str) -> Table:
    """One row a query."""
    shown = Table(title=title)
    for heading in ("query", "items", "LIST", "GET", "HEAD", "seconds", "processor"):
        shown.add_column(heading, justify="left" if heading == "query" else "right")
    for cost in found:
        counts = (str(cost.requests[kind]) for kind in ("LIST", "GET", "HEAD"))
        shown.add_row(cost.query, str(cost.items), *counts, f"{cost.seconds:.2f}", f"{cost.cpu_s:.2f}")
    return shown


def _store(settings: Settings) -> Store:
    keys = (settings.s3_access_key, settings.s3_secret_key)
    access_key, secret_key = (key.get_secret_value() if key is not None else None for key in keys)
    return open_object_store(
        settings.s3_queue_url,
        endpoint=settings.s3_endpoint_url,
        access_key=access_key,
        secret_key=secret_key,
        region=settings.s3_region,
    )


if __name__ == "__main__":
    typer.run(main)
