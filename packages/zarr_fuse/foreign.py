"""Stores that a caller has opened with zarr, as handles that only read."""

from __future__ import annotations

import zarr
from zarr.storage import StoreLike

from zarr_fuse.errors import StoreNotFoundError
from zarr_fuse.options import reading_options
from zarr_fuse.store import Store


def foreign_store(zarr_store: StoreLike) -> Store:
    """A handle of what `zarr.open_group` takes as a store, by its stored schema.

    Raises:
        StoreNotFoundError: there is no group.
    """
    try:
        source = zarr.open_group(zarr_store, mode="r").store
    except FileNotFoundError as error:
        raise StoreNotFoundError(f"there is no store in {zarr_store}") from error
    store = Store(None, reading_options(str(source)), source)
    store.open()
    return store
