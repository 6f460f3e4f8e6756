"""No lease without create-only writes: what the storage can do is probed once for each process and bucket."""

from __future__ import annotations

import threading
from typing import Any

from obstore.store import S3Store

from zarr_fuse.errors import UnsafeStoreError
from zarr_fuse.storage.probe import probe_create_only

_safe: set[tuple[str | None, str]] = set()
_lock = threading.Lock()


def require_create_only(store: Any, prefix: str) -> None:  # noqa: ANN401 - obstore's union of stores
    """Make sure that of several racing creates of one key exactly one wins; folders and memory always do.

    Raises:
        UnsafeStoreError: the storage lets several win, or none; nothing of the dataset was written.
    """
    if not isinstance(store, S3Store):
        return
    bucket = (store.config.get("endpoint"), store.config["bucket"])
    with _lock:
        if bucket in _safe:
            return
        if not probe_create_only(store, prefix):
            raise UnsafeStoreError(
                f"bucket {bucket[1]!r} does not honour If-None-Match, so writers cannot exclude each other; "
                "with a single writer set WRITERS=one"
            )
        _safe.add(bucket)
