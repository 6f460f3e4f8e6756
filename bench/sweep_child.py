"""One process of a run: `python -m bench.sweep_child build|sweep|floor JSON`, prints JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import obstore
import structlog
from obstore.store import LocalStore

from bench.meter import Meter
from bench.sweep_site import build, settings_of
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.extractor_service import places
from services.extractor_service.sweep import sweep
from zarr_fuse.storage.objects import Objects
from zarr_fuse.storage.opening import open_object_store

AT_ONCE = 16  # requests in flight, as many as a sweep has
PAGE = 1000


class CountedStorage(ObjectStorage):
    """Counts the requests of the queue."""

    requests: ClassVar[Counter[str]] = Counter()

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any attribute
        if name in {"get", "put", "create", "head", "copy"}:
            CountedStorage.requests[name] += 1
        return super().__getattribute__(name)

    def delete(self, keys: Sequence[str]) -> None:
        CountedStorage.requests["delete"] += -(-len(keys) // PAGE)
        super().delete(keys)

    def list(self, prefix: str, after: str | None = None) -> Any:  # noqa: ANN401 - an iterator
        CountedStorage.requests["list"] += 1
        return super().list(prefix, after)


def swept(settings: Settings) -> dict[str, Any]:
    """Sweep once."""
    made: list[Objects] = []
    build_objects = Objects.__init__

    def counted(self: Objects, *args: Any, **kwargs: Any) -> None:
        build_objects(self, *args, **kwargs)
        made.append(self)

    Objects.__init__ = counted  # type: ignore[method-assign]
    places.ObjectStorage = CountedStorage  # type: ignore[attr-defined]
    meter = Meter()
    with meter.update():
        report = sweep(settings)
    found = asdict(meter.finish())
    queued = dict(CountedStorage.requests)
    of_store = sum(one.requests for one in made)
    return {**found, "counts": report.counts(), "of_queue": queued, "of_store": of_store}


def floor(settings: Settings) -> dict[str, Any]:
    """List, get, copy and delete the objects that a sweep has left, with a bare client.

    On a local disk the copies are flushed, as they are in a bucket once it has answered.
    """
    keys = (settings.s3_access_key, settings.s3_secret_key)
    access_key, secret_key = (key.get_secret_value() if key else None for key in keys)
    store = open_object_store(
        settings.s3_queue_url,
        endpoint=settings.s3_endpoint_url,
        access_key=access_key,
        secret_key=secret_key,
        region=settings.s3_region,
        s3_options={},
    )

    root = Path(store.prefix or "/") if isinstance(store, LocalStore) else None

    def moved(key: str) -> None:
        target = key.replace("processed", "moved", 1)
        obstore.get(store, key).bytes()
        obstore.copy(store, key, target)
        if root is not None:
            flush(root / target)
            flush((root / target).parent)

    meter = Meter()
    with meter.update(), ThreadPoolExecutor(AT_ONCE) as pool:
        found = [meta["path"] for page in obstore.list(store, "processed") for meta in page]
        list(pool.map(moved, found))
        for start in range(0, len(found), PAGE):
            obstore.delete(store, found[start : start + PAGE])
    return asdict(meter.finish())


def flush(path: Path) -> None:
    """What makes a copy on a local disk survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def main(act: str, text: str) -> None:
    """Do one thing and print what it took."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asked = json.loads(text)
    settings = settings_of(Path(asked["folder"]), asked["bucket_url"], **asked["settings"])
    if act == "build":
        build(settings, asked["items"], asked["large_rows"])
        return
    print(json.dumps(swept(settings) if act == "sweep" else floor(settings)))


if __name__ == "__main__":
    main(*sys.argv[1:])
