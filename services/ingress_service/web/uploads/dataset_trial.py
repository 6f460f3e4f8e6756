"""Converts a dataset on trial, by the code that merges it."""

from __future__ import annotations

import math
from typing import NamedTuple

import xarray as xr

from zarr_fuse.incoming.datasets import Joined, joined
from zarr_fuse.incoming.frame import Converted
from zarr_fuse.incoming.grids import convert_dataset
from zarr_fuse.schema import DatasetSchema

TRIAL_BYTES = 32 << 20
"""Cells up to this size, as rows in memory, are converted; of a larger grid as many as that."""
VALUE_BYTES = 8


class Tried(NamedTuple):
    """What a trial has found; `cells` are those of the whole dataset."""

    cells: int
    converted: Converted
    notes: list[str]


def tried(dataset: xr.Dataset, schema: DatasetSchema, on_bad_rows: str) -> Tried:
    """Convert the first cells of a dataset; raises UpdateRefusedError where the merge would refuse it."""
    found = joined(dataset, schema)
    part = beginning(dataset, found.schema)
    converted = convert_dataset(part, found.schema, on_bad_rows=on_bad_rows)
    return Tried(cells(dataset, schema), converted, _notes(found))


def beginning(dataset: xr.Dataset, schema: DatasetSchema) -> xr.Dataset:
    """The dataset, or as much of it as fits `TRIAL_BYTES`; its first axes are cut first."""
    row_bytes = VALUE_BYTES * (len(schema.COORDS) + len(schema.VARS))
    for name in schema.COORDS:
        size_bytes = cells(dataset, schema) * row_bytes
        if size_bytes > TRIAL_BYTES and name in dataset.sizes:
            length = max(1, dataset.sizes[name] * TRIAL_BYTES // size_bytes)
            dataset = dataset.isel({name: slice(length)})
    return dataset


def cells(dataset: xr.Dataset, schema: DatasetSchema) -> int:
    """Cells of the grid that the coordinates span."""
    return math.prod(dataset.sizes.get(name, 1) for name in schema.COORDS)


def _notes(found: Joined) -> list[str]:
    joining = [f"{name} joins the schema" for name in found.joining]
    return joining + [f"{name} is left out: it is not in the schema" for name in found.left]
