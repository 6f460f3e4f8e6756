"""A raw document → `NodeSchema`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Set
from typing import Any

from zarr_fuse.schema.context import ContextCfg, SchemaCtx
from zarr_fuse.schema.dataset import DatasetSchema, NodeSchema
from zarr_fuse.schema.entries import build_coord, build_variable, default_coord
from zarr_fuse.schema.variable import Coord, Variable

SECTIONS = ("ATTRS", "VARS", "COORDS")
RESERVED_NAMES = frozenset({".", "..", "zarr.json"})
NAME = r"^(?!__)[^/]+$"
RESERVED_KEYS = r"^(__structure__$|__empty__$|__zf_)"


def build_nodeschema(content: ContextCfg) -> NodeSchema:
    """The schema of a node and all below; SchemaError names the place of the first thing wrong."""
    raw, ctx = _mapping(content), content.schema_ctx
    ds = ctx.tried(DatasetSchema(), _dataset, content)
    groups = {}
    for name in (key for key in raw if key not in SECTIONS):
        with ctx.attempt():
            _check_name(name, ctx)
            if name in ds.VARS or name in ds.COORDS:
                raise ctx.dive(name).error("a child node and an array cannot have the same name")
            groups[name] = build_nodeschema(content[name])
    return NodeSchema(ds, groups)


def _dataset(content: ContextCfg) -> DatasetSchema:
    attrs: dict[str, Any] = content.schema_ctx.tried({}, _attrs, content.get("ATTRS"))
    raw_vars, vars_ctx = _entries(content.get("VARS"))
    raw_coords, coords_ctx = _entries(content.get("COORDS"))
    names = _coordinate_names(raw_vars, raw_coords)
    variables: dict[str, Variable] = {}
    for name in (name for name in raw_vars if name not in names):
        with vars_ctx.attempt():
            variables[name] = build_variable(name, raw_vars[name], vars_ctx.dive(name))
    for coord in (coord for variable in variables.values() for coord in variable.coords):
        with vars_ctx.attempt():
            _check_name(coord, vars_ctx)
            names.setdefault(coord)
    coords: dict[str, Coord] = {}
    for name in names:
        with coords_ctx.attempt():
            coords[name] = _coordinate(name, raw_vars.get(name), raw_coords.get(name), coords_ctx, vars_ctx)
    _check_components(coords, variables, raw_vars.keys() - variables.keys() - names.keys(), coords_ctx)
    return DatasetSchema(attrs, coords, variables)


def _entries(content: ContextCfg) -> tuple[dict[str, Any], SchemaCtx]:
    """The entries of VARS or COORDS that have a possible name."""
    ctx = content.schema_ctx
    raw: Mapping[Any, Any] = ctx.tried({}, _mapping, content)
    named = {}
    for name, entry in raw.items():
        with ctx.attempt():
            _check_name(name, ctx)
            named[name] = entry
    return named, ctx


def _attrs(content: ContextCfg) -> dict[str, Any]:
    raw, ctx = _mapping(content), content.schema_ctx
    for key in raw:
        if not isinstance(key, str):
            ctx.keep(ctx.error(f"the key {key!r} is not text; put it in quotes"))
        elif re.match(RESERVED_KEYS, key):
            ctx.keep(ctx.dive(key).error("this name has a meaning of its own in stored groups"))
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


def _check_components(
    coords: Mapping[str, Coord], variables: Mapping[str, Variable], unread: Set[str], ctx: SchemaCtx
) -> None:
    """Whether composed coordinates and their variables fit; `unread` variables have an error of their own."""
    for coord in (coord for coord in coords.values() if coord.is_composed):
        where = ctx.dive(coord.name, "composed")
        if len(set(coord.composed)) != len(coord.composed):
            where.keep(where.error("a variable is named twice"))
        for name in (name for name in coord.composed if name not in unread):
            with where.attempt():
                _check_component(name, coord, variables, where)


def _check_component(name: str, coord: Coord, variables: Mapping[str, Variable], where: SchemaCtx) -> None:
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
    if name in RESERVED_NAMES or not re.match(NAME, name):
        raise ctx.dive(name).error(
            f"{name!r} cannot be a name: not empty, no slash, no leading __, none of {sorted(RESERVED_NAMES)}"
        )


def _mapping(content: ContextCfg) -> Mapping[Any, Any]:
    raw = content.value()
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        hint = "; text is always YAML, a file is given as a Path" if isinstance(raw, str) else ""
        raise content.schema_ctx.error(f"expected a mapping, not {raw!r}{hint}")
    return raw
