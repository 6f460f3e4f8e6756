"""The node of an older store: opened, extended, and read as others do."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import xarray as xr

from tests.zarr_fuse.older_stores import OlderStore
from zarr_fuse import open_store

NO_NUMBER = np.iinfo(np.int64).min


def opened(store: OlderStore, schema=None, **options):
    """The node `site`, opened without complaints about units."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*parsnip.*")
        return open_store(schema, STORE_URL=store.url, **options)["site"]


def update(node, frame):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*parsnip.*")
        return node.update(pl.DataFrame(frame))


def plain(store: OlderStore, **how):
    """The node as plain xarray reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_zarr(store.folder, group="site", chunks=None, **how).load()


def seconds(dataset):
    return dataset.time.values.astype("datetime64[s]").astype(int).tolist()


def row(time, level=None, count=None, note=None):
    columns = {"time": [time], "level": [level], "count": [count], "note": [note]}
    return {name: values for name, values in columns.items() if values != [None]}


def times(store, values, units, dtype=np.int64, **more):
    """Store the times 0 h, 1 h, 2 h in other words."""
    del store.group()["time"]
    attributes = {"units": units, "calendar": "proleptic_gregorian", **more}
    store.array("time", np.array(values, dtype=dtype), ["time"], 0, **attributes)
