"""Incoming datasets: what of them a node takes, and which of their variables join its schema."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from typing import Any, NamedTuple

import xarray as xr
from numpy.typing import NDArray

from zarr_fuse.errors import SchemaError, SchemaWarning, UndefinedUnitError, UpdateRefusedError
from zarr_fuse.schema import DatasetSchema, Variable, deserialize
from zarr_fuse.units import Unit

NAME = re.compile(r"(?!__zf_)[^/]+")
_TYPES = {"i2": "int32", "u1": "uint8", "u2": "uint32", "f2": "float32"}  # types that no schema names


class Joined(NamedTuple):
    """A schema with further variables of a dataset; those that join it, and those that are left out."""

    schema: DatasetSchema
    joining: list[str]
    left: list[str]


def joined_schema(dataset: xr.Dataset, schema: DatasetSchema, taken: Collection[str]) -> DatasetSchema:
    """The schema of `joined`, with a warning of what joins it and one of what is left out."""
    found = joined(dataset, schema, taken)
    if found.joining:
        names = ", ".join(found.joining)
        warnings.warn(f"joining the schema: {names}", SchemaWarning, stacklevel=2)
    if found.left:
        names = ", ".join(found.left)
        warnings.warn(f"not in the schema, left out: {names}", SchemaWarning, stacklevel=2)
    return found.schema


def joined(dataset: xr.Dataset, schema: DatasetSchema, taken: Collection[str] = ()) -> Joined:
    """The schema with the dataset's further variables over known coordinates.

    `unit` and `description` are read from their attributes. A variable is left out if it lies over other
    dimensions, its values have no type of a schema, or its name is `taken`.
    """
    extra = [str(name) for name in dataset.variables if name not in {**schema.COORDS, **schema.VARS}]
    found = {name: _described(dataset[name], schema) for name in extra if name not in taken}
    joining = {name: variable for name, variable in found.items() if variable is not None}
    left = sorted(name for name in extra if name not in joining)
    whole = DatasetSchema(schema.ATTRS, schema.COORDS, {**schema.VARS, **joining})
    return Joined(whole, sorted(joining), left)


def part_of(dataset: xr.Dataset, schema: DatasetSchema) -> DatasetSchema:
    """What of the schema a dataset speaks of: its variables, and the coordinates these need."""
    variables = {name: one for name, one in schema.VARS.items() if name in dataset.variables}
    needed = {name for one in variables.values() for name in one.coords} | dataset.variables.keys()
    coords = {name: one for name, one in schema.COORDS.items() if name in needed}
    components = {name for one in coords.values() if one.is_composed for name in one.composed}
    variables |= {name: one for name, one in schema.VARS.items() if name in components}
    return DatasetSchema(schema.ATTRS, coords, variables)


def arrays_of_dataset(dataset: xr.Dataset, schema: DatasetSchema) -> dict[str, NDArray[Any]]:
    """The arrays of a dataset by the names of the schema, axes in its order.

    Raises:
        UpdateRefusedError: a coordinate is missing, not one-dimensional on itself or holds NA; a variable is
            missing or has other dimensions.
    """
    problems = [*_coordinate_problems(dataset, schema), *_variable_problems(dataset, schema)]
    if problems:
        raise UpdateRefusedError(problems)
    simple = {name: dataset[name].values for name, coord in schema.COORDS.items() if not coord.is_composed}
    return simple | {name: dataset[name].transpose(*one.coords).values for name, one in schema.VARS.items()}


def _described(array: xr.DataArray, schema: DatasetSchema) -> Variable | None:
    """A variable of the schema language for an array, None where there is none."""
    name, dtype = str(array.name), _type(array)
    if dtype is None or not NAME.fullmatch(name) or not set(array.dims) <= schema.COORDS.keys():
        return None
    entry: dict[str, Any] = {"coords": [str(dim) for dim in array.dims], "unit": _unit(array)}
    if isinstance(array.attrs.get("description"), str):
        entry["description"] = array.attrs["description"]
    if isinstance(dtype, dict):
        entry["unit"] = dtype
    else:
        entry["type"] = dtype
    try:
        return deserialize({"VARS": {name: entry}}, "dataset").ds.VARS[name]
    except SchemaError:
        return None


def _type(array: xr.DataArray) -> str | dict[str, Any] | None:
    """The type of values as a schema names it, a unit of time for times."""
    dtype = array.dtype
    if dtype.kind == "O":
        texts = array.values.ravel().tolist()
        is_text = bool(texts) and all(isinstance(text, str) for text in texts)
        return f"str[{max(1, *map(len, texts), 1)}]" if is_text else None
    if dtype.kind == "M":
        return {"tick": dtype.str.partition("[")[2].rstrip("]")}
    if dtype.kind == "U":
        return f"str[{max(1, dtype.itemsize // 4)}]"
    return _TYPES.get(dtype.str[1:], dtype.name) if dtype.kind in "biufc" else None


def _unit(array: xr.DataArray) -> str | None:
    unit = array.attrs.get("unit", array.attrs.get("units"))
    try:
        return str(Unit(unit)) if isinstance(unit, str) else None
    except UndefinedUnitError:
        return None


def _coordinate_problems(dataset: xr.Dataset, schema: DatasetSchema) -> list[str]:
    problems = []
    for name, coord in schema.COORDS.items():
        if coord.is_composed:
            continue
        if name not in dataset.variables:
            problems.append(f"{name}: the dataset has no such coordinate")
        elif dataset[name].dims != (name,):
            problems.append(f"{name}: a coordinate lies over itself, not over {dataset[name].dims}")
        elif bool(dataset[name].isnull().any()):
            problems.append(f"{name}: the coordinate holds missing values")
    return problems


def _variable_problems(dataset: xr.Dataset, schema: DatasetSchema) -> list[str]:
    problems = []
    for name, variable in schema.VARS.items():
        if name not in dataset.variables:
            problems.append(f"{name}: the dataset has no such variable")
        elif set(dataset[name].dims) != set(variable.coords):
            problems.append(f"{name}: lies over {list(variable.coords)}, not over {list(dataset[name].dims)}")
    return problems
