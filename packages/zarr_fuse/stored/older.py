"""Schemas of stores that other generations wrote: what their text leaves open, their arrays say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import yaml

from zarr_fuse.schema import Coord, DatasetSchema, DType, Variable, deserialize
from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.stored.chunks import StoredArray
from zarr_fuse.units import DateTimeUnit, NoneUnit
from zarr_fuse.values.time_units import TICKS

V = TypeVar("V", bound=Variable)
Raw = dict[str, Any]

OF_VARIABLES = ("unit", "source_unit", "df_col", "description")
OF_COORDS = ("composed", "chunk_size", "step_limits", "sorted")
SPOKEN = frozenset({"name", "coords", "unit", "type"})  # what an entry says that nobody has to complete
TYPES = frozenset(
    {
        *("float32", "float64", "complex64", "complex128"),
        *("int8", "int32", "int64", "uint8", "uint32", "uint64"),
    }
)


def stored_schema(
    text: str, path: str, arrays: Mapping[str, StoredArray], passed: DatasetSchema | None
) -> DatasetSchema | None:
    """The schema that a node was written by, None where there is neither text nor array.

    Args:
        text: `__structure__`, empty if the node has none.
        path: group path, for messages.
        arrays: the node's arrays by name.
        passed: speaks for what both text and arrays leave open.
    """
    if not text and not arrays:
        return None
    raw = _raw(text)
    if all(entry.keys() >= SPOKEN for entry in _entries(raw, arrays).values()):
        return _parsed(text, path)
    completed = {**raw, "VARS": dict(raw.get("VARS") or {}), "COORDS": dict(raw.get("COORDS") or {})}
    for name, array in arrays.items():
        _complete(completed, name, array, arrays)
    schema = deserialize(completed, f"stored schema of {path or 'the root'}").ds
    return schema if passed is None else _with_open_keys(schema, completed, passed)


def fitted(schema: DatasetSchema, arrays: Mapping[str, StoredArray]) -> DatasetSchema:
    """The schema with the types that existing arrays really have; they are kept, whatever it says."""
    coords = {name: _fitted(coord, arrays.get(name)) for name, coord in schema.COORDS.items()}
    variables = {name: _fitted(variable, arrays.get(name)) for name, variable in schema.VARS.items()}
    before = (*schema.COORDS.values(), *schema.VARS.values())
    if all(old is new for old, new in zip(before, (*coords.values(), *variables.values()), strict=True)):
        return schema
    return DatasetSchema(ATTRS=schema.ATTRS, COORDS=coords, VARS=variables)


def declared(
    schema: DatasetSchema, original: DatasetSchema, arrays: Mapping[str, StoredArray]
) -> DatasetSchema:
    """`schema` with what `original` says of variables that have arrays already, before they were fitted."""

    def chosen(now: dict[str, V], then: Mapping[str, V]) -> dict[str, V]:
        return {name: then[name] if name in arrays and name in then else one for name, one in now.items()}

    if schema is original:
        return schema
    return DatasetSchema(
        ATTRS=schema.ATTRS,
        COORDS=chosen(schema.COORDS, original.COORDS),
        VARS=chosen(schema.VARS, original.VARS),
    )


@lru_cache(maxsize=256)
def _parsed(text: str, path: str) -> DatasetSchema:
    return deserialize(text, f"stored schema of {path or 'the root'}").ds


@lru_cache(maxsize=256)
def _raw(text: str) -> Raw:
    loaded = yaml.load(text, Loader=yaml.CSafeLoader)
    return loaded if isinstance(loaded, dict) else {}


def _entries(raw: Raw, arrays: Mapping[str, StoredArray]) -> dict[str, Raw]:
    """What the text says of each array, and of everything else it describes."""
    entries = {name: dict[str, Any]() for name in arrays}
    for section in ("VARS", "COORDS"):
        for name, entry in (raw.get(section) or {}).items():
            entries[name] = {**entries.get(name, {}), **(entry or {})}
    return entries


def _complete(raw: Raw, name: str, array: StoredArray, arrays: Mapping[str, StoredArray]) -> None:
    """Add to the entries of an array what its metadata say beyond them."""
    if not set(array.dims) <= arrays.keys() or len(array.dims) != len(array.shape):
        return
    is_coord = name in raw["COORDS"] or array.dims == (name,)
    sections = [section for section in ("VARS", "COORDS") if name in raw[section]]
    section = sections[0] if sections else ("COORDS" if is_coord else "VARS")
    spoken = {key for one in sections for key in raw[one][name] or {}}
    found = {key: value for key, value in _found(array, is_coord=is_coord) if key not in spoken}
    raw[section][name] = {**(raw[section].get(name) or {}), **found, "name": name}


def _found(array: StoredArray, *, is_coord: bool) -> Iterator[tuple[str, Any]]:
    attributes = array.document["attributes"]
    for key in OF_VARIABLES + (OF_COORDS if is_coord else ()):
        if key in attributes:
            value = attributes[key]
            yield key, value.strip("\n") if key == "description" and isinstance(value, str) else value
    if "unit" not in attributes and " since " in str(attributes.get("units", "")):
        yield "unit", {"tick": _tick(str(attributes["units"]))}
    if not is_coord:
        yield "coords", list(array.dims)


def _tick(units: str) -> str:
    """The tick of CF `units` such as `hours since 2000-01-01`."""
    name = units.split()[0].lower().removesuffix("s")
    return next((tick for tick, long in TICKS.items() if name in {long, tick}), "s")


def _with_open_keys(schema: DatasetSchema, raw: Raw, passed: DatasetSchema) -> DatasetSchema:
    entries = _entries(raw, {})
    return DatasetSchema(
        ATTRS=schema.ATTRS,
        COORDS={
            name: _opened(coord, entries.get(name, {}), passed.COORDS.get(name))
            for name, coord in schema.COORDS.items()
        },
        VARS={
            name: _opened(variable, entries.get(name, {}), passed.VARS.get(name))
            for name, variable in schema.VARS.items()
        },
    )


def _opened(stored: V, entry: Raw, passed: V | None) -> V:
    """A stored variable with what it leaves open taken from the one passed."""
    if passed is None:
        return stored
    keys = [key for key in OF_COORDS if isinstance(stored, Coord) and key not in entry]
    if entry.get("type") is None and not stored.is_coded:
        keys += ["type", "na_value"]
    is_composed = isinstance(stored, Coord) and stored.is_composed  # its labels have no unit
    if entry.get("unit") is None or isinstance(stored.unit, NoneUnit) or is_composed:
        keys += ["unit", "source_unit"]
    return replace(stored, **{key: getattr(passed, key) for key in keys})


def _fitted(variable: V, array: StoredArray | None) -> V:
    if array is None or variable.is_coded or isinstance(variable.unit, DateTimeUnit):
        return variable
    name = _type_name(array.dtype)
    if name is None or (variable.type is not None and variable.storage_dtype == array.dtype):
        return variable
    dtype = DType(name)
    return replace(variable, type=dtype, na_value=_na_value(variable, dtype))


def _type_name(dtype: np.dtype[Any]) -> str | None:
    if dtype.kind == "U":
        return f"str[{dtype.itemsize // 4}]"
    return dtype.name if dtype.name in TYPES else None


def _na_value(variable: Variable, dtype: DType) -> Any:  # noqa: ANN401
    """The missing value that the schema names, or that of the type."""
    given = variable.na_value
    if variable.type is None or given is None or variable.type.kind != dtype.kind:
        return dtype.default_na
    own = variable.type.default_na
    if given == own or (given != given and own != own):
        return dtype.default_na
    return dtype.na_value(given.item() if isinstance(given, np.generic) else given, SchemaCtx())
