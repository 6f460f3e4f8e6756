"""Dense arrays as rows: complete grids whose values are already in the units of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.schema import DatasetSchema, Variable

V = TypeVar("V", bound=Variable)


def in_own_units(schema: DatasetSchema) -> DatasetSchema:
    """The schema for columns that carry the names and units of its variables."""
    return DatasetSchema(
        ATTRS=schema.ATTRS,
        COORDS={name: _own(coord) for name, coord in schema.COORDS.items()},
        VARS={name: _own(variable) for name, variable in schema.VARS.items()},
    )


def restored(schema: DatasetSchema, original: DatasetSchema) -> DatasetSchema:
    """The schema with the columns and source units of `original`."""
    return DatasetSchema(
        ATTRS=schema.ATTRS,
        COORDS={name: _like(coord, original.COORDS[name]) for name, coord in schema.COORDS.items()},
        VARS={name: _like(variable, original.VARS[name]) for name, variable in schema.VARS.items()},
    )


def grid_frame(arrays: Mapping[str, NDArray[Any]], schema: DatasetSchema) -> pl.DataFrame:
    """One row for each cell of the grid that the coordinates span; variables over fewer axes are repeated.

    Raises:
        UpdateRefusedError: an unknown name, a missing coordinate, a repeated label, a wrong shape.
    """
    problems = _grid_problems(arrays, schema)
    if problems:
        raise UpdateRefusedError(problems)
    lengths = {name: len(_first_key(arrays, schema, name)) for name in schema.COORDS}
    whole = tuple(lengths.values())
    columns = [
        _column(name, np.asarray(array), _dims(name, schema), whole, schema)
        for name, array in arrays.items()
        if name in schema.VARS or not schema.COORDS[name].is_composed
    ]
    return pl.DataFrame(columns)


def _column(
    name: str, array: NDArray[Any], dims: tuple[str, ...], whole: tuple[int, ...], schema: DatasetSchema
) -> pl.Series:
    """The array's values in every cell of the grid; texts are repeated by reference."""
    if array.dtype.kind != "U":
        spread = np.broadcast_to(_spread(_columnar(array), dims, schema), whole)
        return pl.Series(name, spread.flatten())  # a copy: the cells wait for the commit
    places = _spread(np.arange(array.size).reshape(array.shape), dims, schema)
    return pl.Series(name, array.reshape(-1)).gather(np.broadcast_to(places, whole).reshape(-1))


def _columnar(values: NDArray[Any]) -> NDArray[Any]:
    """An array that polars takes: it knows no times in seconds, and no dates in a list of objects."""
    if values.dtype.kind == "O":
        found = pd.Series(values.reshape(-1)).infer_objects()
        values = found.to_numpy().reshape(values.shape) if isinstance(found.dtype, np.dtype) else values
    if values.dtype.kind != "M" or np.datetime_data(values.dtype)[0] == "ns":
        return values
    return values.astype("datetime64[us]")


def _own(variable: V) -> V:
    return replace(variable, source_unit=variable.unit, df_col=variable.name)


def _like(variable: V, original: V) -> V:
    return replace(variable, source_unit=original.source_unit, df_col=original.df_col)


def _grid_problems(arrays: Mapping[str, NDArray[Any]], schema: DatasetSchema) -> list[str]:
    unknown = [
        f"{name}: the schema has no such name"
        for name in arrays
        if name not in {**schema.COORDS, **schema.VARS}
    ]
    keys = [key for name in schema.COORDS for key in _keys(schema, name)]
    missing = [f"{key}: a coordinate is missing" for key in keys if key not in arrays]
    if unknown or missing:
        return unknown + missing
    lengths = {name: len(np.atleast_1d(_first_key(arrays, schema, name))) for name in schema.COORDS}
    shapes = {name: tuple(lengths[dim] for dim in _dims(name, schema)) for name in arrays}
    wrong = [
        f"{name}: shape {np.shape(array)} instead of {shapes[name]}"
        for name, array in arrays.items()
        if np.shape(array) != shapes[name]
    ]
    return wrong or _repeated(arrays, schema)


def _repeated(arrays: Mapping[str, NDArray[Any]], schema: DatasetSchema) -> list[str]:
    problems = []
    for name in schema.COORDS:
        labels = pl.DataFrame({key: _columnar(np.asarray(arrays[key])) for key in _keys(schema, name)})
        if labels.is_duplicated().any():
            problems.append(f"{name}: a label is repeated")
    return problems


def _keys(schema: DatasetSchema, name: str) -> tuple[str, ...]:
    coord = schema.COORDS[name]
    return tuple(coord.composed) if coord.is_composed else (name,)


def _first_key(arrays: Mapping[str, NDArray[Any]], schema: DatasetSchema, name: str) -> NDArray[Any]:
    return arrays[_keys(schema, name)[0]]


def _dims(name: str, schema: DatasetSchema) -> tuple[str, ...]:
    return (name,) if name in schema.COORDS else tuple(schema.VARS[name].coords)


def _spread(array: NDArray[Any], dims: tuple[str, ...], schema: DatasetSchema) -> NDArray[Any]:
    """The array with all axes of the node in schema order, length 1 where it does not vary."""
    ordered = [name for name in schema.COORDS if name in dims]
    array = array.transpose([dims.index(name) for name in ordered]) if dims else array
    shape = iter(array.shape)
    return array.reshape([next(shape) if name in dims else 1 for name in schema.COORDS])
