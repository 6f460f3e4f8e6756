"""A raw document → `NodeSchema`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from zarr_fuse.schema.context import ContextCfg, SchemaCtx
from zarr_fuse.schema.dataset import DatasetSchema, NodeSchema
from zarr_fuse.schema.entries import build_coord, build_variable, default_coord
from zarr_fuse.schema.variable import Coord, Variable

SECTIONS = ("ATTRS", "VARS", "COORDS")
_RESERVED_NAMES = frozenset({"", ".", "..", "zarr.json"})


def build_nodeschema(content: ContextCfg) -> NodeSchema:
    """The schema of a node and all below; SchemaError names the place of the first thing wrong."""
    raw, ctx = _mapping(content)
    children = [key for key in raw if key not in SECTIONS]
    ds = _dataset(content)
    groups = {}
    for name in children:
        _check_name(name, ctx)
        if name in ds.VARS or name in ds.COORDS:
            raise ctx.dive(name).error("a child node and an array cannot have the same name")
        groups[name] = build_nodeschema(content[name])
    return NodeSchema(ds, groups)


def _dataset(content: ContextCfg) -> DatasetSchema:
    raw_vars, vars_ctx = _mapping(content.get("VARS"))
    raw_coords, coords_ctx = _mapping(content.get("COORDS"))
    for name, entry_ctx in [(n, vars_ctx) for n in raw_vars] + [(n, coords_ctx) for n in raw_coords]:
        _check_name(name, entry_ctx)
    names = _coordinate_names(raw_vars, raw_coords)
    variables = {
        name: build_variable(name, entry, vars_ctx.dive(name))
        for name, entry in raw_vars.items()
        if name not in names
    }
    for coord in (coord for variable in variables.values() for coord in variable.coords):
        _check_name(coord, vars_ctx)
        names.setdefault(coord)
    coords = {
        name: _coordinate(name, raw_vars.get(name), raw_coords.get(name), coords_ctx, vars_ctx)
        for name in names
    }
    _check_components(coords, variables, coords_ctx)
    return DatasetSchema(_attrs(content.get("ATTRS")), coords, variables)


def _attrs(content: ContextCfg) -> dict[str, Any]:
    raw, ctx = _mapping(content)
    for key in raw:
        if not isinstance(key, str):
            raise ctx.error(f"the key {key!r} is not text; put it in quotes")
        if key in {"__structure__", "__empty__"} or key.startswith("__zf_"):
            raise ctx.dive(key).error("this name has a meaning of its own in stored groups")
    return {key: copy.deepcopy(value) for key, value in raw.items() if key != "VERSION"}


def _coordinate_names(raw_vars: Mapping[str, Any], raw_coords: Mapping[str, Any]) -> dict[str, None]:
    """Names of all coordinates: those of COORDS, then those that variables lie over, in order of mention."""
    names = dict.fromkeys(raw_coords)
    for entry in raw_vars.values():
        over = entry.get("coords") if isinstance(entry, Mapping) else None
        mentioned = over if isinstance(over, list) else [over]
        names |= {name: None for name in mentioned if isinstance(name, str)}
    return names


def _coordinate(
    name: str, in_vars: object, in_coords: object, coords_ctx: SchemaCtx, vars_ctx: SchemaCtx
) -> Coord:
    if in_vars is None and in_coords is None:
        return default_coord(name)
    if in_vars is None:
        return build_coord(name, in_coords if in_coords is not None else {}, coords_ctx.dive(name))  # type: ignore[arg-type]
    ctx = vars_ctx.dive(name)
    if not isinstance(in_vars, Mapping) or not isinstance(in_coords, Mapping | None):
        raise ctx.error(f"expected a mapping, not {in_vars!r}")
    if "name" not in in_vars:
        ctx.warning("a coordinate is described in COORDS; read as if it were")
    spoken = {
        key: value for key, value in in_vars.items() if value is not None or key not in (in_coords or {})
    }
    return build_coord(name, {**(in_coords or {}), **spoken}, ctx)


def _check_components(coords: Mapping[str, Coord], variables: Mapping[str, Variable], ctx: SchemaCtx) -> None:
    for coord in coords.values():
        where = ctx.dive(coord.name, "composed")
        if not coord.is_composed:
            continue
        if len(set(coord.composed)) != len(coord.composed):
            raise where.error("a variable is named twice")
        for name in coord.composed:
            if name not in variables:
                raise where.error(f"there is no variable {name!r}")
            if variables[name].coords != (coord.name,):
                raise where.error(f"the variable {name!r} must lie over {coord.name!r} alone")
            dtype = variables[name].type
            if dtype is not None and dtype.kind == "c":
                raise where.error(f"the complex variable {name!r} cannot be part of a position")


def _check_name(name: object, ctx: SchemaCtx) -> None:
    if not isinstance(name, str):
        raise ctx.error(f"the name {name!r} is not text; put it in quotes")
    if name in _RESERVED_NAMES or "/" in name or name.startswith("__"):
        raise ctx.dive(name).error(
            f"{name!r} cannot be a name: no slash, no leading __, not {sorted(_RESERVED_NAMES)}"
        )


def _mapping(content: ContextCfg) -> tuple[Mapping[Any, Any], SchemaCtx]:
    raw = content.value()
    if raw is None:
        return {}, content.schema_ctx
    if not isinstance(raw, Mapping):
        hint = "; text is always YAML, a file is given as a Path" if isinstance(raw, str) else ""
        raise content.schema_ctx.error(f"expected a mapping, not {raw!r}{hint}")
    return raw, content.schema_ctx
