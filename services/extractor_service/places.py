"""Opens the queue and the stores with the settings in force."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from zarr_fuse import Node, open_store

log = structlog.get_logger(__name__)


def open_queue(settings: Settings) -> Queue:
    """The queue at `S3_QUEUE_URL`."""
    return Queue(ObjectStorage(settings.s3_queue_url, settings))


def open_root(settings: Settings, schema_file: Path) -> Node:
    """The root node of the store a schema belongs to."""
    with logged_warnings(schema=schema_file.name):
        return open_store(schema_file, **store_options(settings))


class Roots:
    """The root nodes of the stores that one sweep works on, each opened once; a failure is kept, too."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[Path, Node | Exception] = {}

    def root(self, schema_file: Path) -> Node:
        """The root node of the store a schema belongs to, or what keeps it from being opened."""
        if schema_file not in self._opened:
            try:
                self._opened[schema_file] = open_root(self._settings, schema_file)
            except Exception as error:  # noqa: BLE001 - raised at once, and again
                self._opened[schema_file] = error
        found = self._opened[schema_file]
        if isinstance(found, Exception):
            raise found
        return found


def store_options(settings: Settings) -> dict[str, Any]:
    """The options of every store, where its schema says nothing else."""
    keys = {"S3_ACCESS_KEY": settings.s3_access_key, "S3_SECRET_KEY": settings.s3_secret_key}
    options = {
        "STORE_URL": settings.s3_store_url,
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "S3_OPTIONS": json.dumps({"region": settings.s3_region}),
        **{name: key.get_secret_value() for name, key in keys.items() if key},
    }
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def logged_warnings(**context: object) -> Iterator[None]:
    """Turn warnings about schemas into log lines, each message once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(one.message) for one in caught):
        log.warning("schema warning", reason=message, **context)
