"""The loop one would write with xarray: `append_dim` for new times, `region` for known ones.

It starts from the same frame, and knows that the frame is a complete grid sorted by time and place.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from obstore.store import LocalStore
from zarr.storage import ObjectStore

from bench.cases import Case
from bench.history import STORE, frames
from bench.meter import Measurement, Meter
from bench.survey import NODE, VARIABLES

DIMS = ("time", "place")


def with_xarray(case: Case, folder: Path, meter: Meter) -> Measurement:
    """Every frame by one call of `to_zarr`; a late row by rewriting the whole node."""
    warnings.simplefilter("ignore")  # fixed-length text has no Zarr 3 specification yet
    storage = ObjectStore(LocalStore(folder / STORE, mkdir=True))
    for frame in frames(case, folder):
        meter.found.frame_bytes = int(frame.estimated_size())
        with meter.update():
            _merge(case, storage, frame, folder)
    return meter.finish()


def _merge(case: Case, storage: Any, frame: pl.DataFrame, folder: Path) -> None:  # noqa: ANN401 - zarr's store
    where: dict[str, Any] = {"group": NODE, "zarr_format": 3, "consolidated": False}
    dataset = _dataset(case, frame)
    if case.kind == "append":
        dataset.to_zarr(storage, append_dim="time", **where)
    elif case.kind == "new":
        chunks = {name: {"chunks": (case.time_chunk, case.place_chunk)} for name in VARIABLES}
        dataset.to_zarr(
            storage, mode="w", encoding=chunks | {"time": {"chunks": (case.time_chunk,)}}, **where
        )
    elif case.kind == "insert":
        stored = xr.open_zarr(storage, group=NODE, consolidated=False, chunks=None)[VARIABLES].load()
        merged = xr.concat([stored.drop_vars("place"), dataset], "time").sortby("time")
        merged.to_zarr(ObjectStore(LocalStore(folder / "new.zarr", mkdir=True)), mode="w", **where)
    else:
        region = {name: slice(0, dataset.sizes[name]) for name in DIMS}
        dataset.drop_vars("time").to_zarr(storage, region=region, **where)


def _dataset(case: Case, frame: pl.DataFrame) -> xr.Dataset:
    shape = (case.times, case.places)
    times = frame["time"].to_numpy().reshape(shape)[:, 0].astype("datetime64[s]")
    data = {name: (DIMS, frame[name].to_numpy().reshape(shape)) for name in VARIABLES}
    return xr.Dataset(data, coords={"time": np.ascontiguousarray(times)})
