"""Obsolete forms that existing schemas use: understood, with a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zarr_fuse.schema.context import SchemaCtx

IGNORED = ("dtype", "values", "discrete")


def modernised(raw: Mapping[str, Any], name: str, ctx: SchemaCtx) -> dict[str, Any]:
    """A variable or coordinate in today's form; `raw` stays as it is."""
    entry = dict(raw)
    if "name" in entry and entry.pop("name") != name:
        raise ctx.dive("name").error(f"{raw['name']!r} differs from the key {name!r}")
    _none_texts(entry, ctx)
    _merge_block(entry, ctx)
    _step_mapping(entry, ctx)
    if entry.get("sorted") == [] and isinstance(entry.get("sorted"), list):
        entry["sorted"] = False
        ctx.dive("sorted").warning("an empty list is read as false")
    for key in IGNORED:
        if key in entry:
            del entry[key]
            ctx.dive(key).warning("this key has no effect")
    return entry


def _none_texts(entry: dict[str, Any], ctx: SchemaCtx) -> None:
    for key in ("sorted", "df_col", "merge", "step_limits"):
        if entry.get(key) == "None":
            entry[key] = "any_new" if key == "step_limits" else None
            meaning = "any_new" if key == "step_limits" else "null"
            ctx.dive(key).warning(f"the text 'None' is read as {meaning}")


def _merge_block(entry: dict[str, Any], ctx: SchemaCtx) -> None:
    block = entry.pop("merge", None)
    if isinstance(block, Mapping):
        for key in block:
            hint = "; write it beside chunk_size to use it" if key == "step_limits" else ""
            ctx.dive("merge", key).warning(f"this key has no effect{hint}")
    elif block is not None:
        raise ctx.dive("merge").error(f"expected a mapping, not {block!r}")


def _step_mapping(entry: dict[str, Any], ctx: SchemaCtx) -> None:
    limits = entry.get("step_limits")
    if not isinstance(limits, Mapping):
        return
    if not {"start", "end"} <= limits.keys() <= {"start", "end", "unit"}:
        raise ctx.dive("step_limits").error(
            "expected the keys start, end and unit, or a list [min, max, unit]"
        )
    entry["step_limits"] = [limits["start"], limits["end"], limits.get("unit")]
    ctx.dive("step_limits").warning("a mapping is read as the list [min, max, unit]")
