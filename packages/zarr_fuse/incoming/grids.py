"""Complete grids and datasets, converted: what a merge of them stores, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from zarr_fuse.incoming.datasets import arrays_of_dataset, part_of
from zarr_fuse.incoming.dense import grid_frame, in_own_units, restored
from zarr_fuse.incoming.frame import Converted, convert
from zarr_fuse.schema import DatasetSchema


def convert_grid(
    arrays: Mapping[str, NDArray[Any]], schema: DatasetSchema, *, on_bad_rows: str = "report"
) -> Converted:
    """Convert name → array, coordinates included, whose values are in the units of the schema.

    Its rows are the cells of the grid in C order, axes in the order of the schema's coordinates.

    Raises:
        UpdateRefusedError: an unknown name, a missing coordinate, a repeated label, a wrong shape; under
            `on_bad_rows="fail"` any finding.
    """
    own = in_own_units(schema)
    converted = convert(grid_frame(arrays, own), own, on_bad_rows=on_bad_rows)
    return replace(converted, schema=restored(converted.schema, schema))


def convert_dataset(
    dataset: xr.Dataset, schema: DatasetSchema, *, partial: bool = False, on_bad_rows: str = "report"
) -> Converted:
    """Convert a dataset by a schema that it has joined (`joined`).

    Args:
        partial: variables of the schema, and coordinates that the others do not need, may be missing.

    Raises:
        UpdateRefusedError: as `arrays_of_dataset` and `convert_grid`.
    """
    asked = part_of(dataset, schema) if partial else schema
    return convert_grid(arrays_of_dataset(dataset, asked), asked, on_bad_rows=on_bad_rows)
