"""One entry of VARS or COORDS → a `Variable` or `Coord`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from zarr_fuse.errors import SchemaError
from zarr_fuse.schema.context import SchemaCtx
from zarr_fuse.schema.document import CoordDocument, VariableDocument, read_document
from zarr_fuse.schema.legacy import modernised
from zarr_fuse.schema.range_parsing import RangeOwner, label_type, parse_range
from zarr_fuse.schema.ranges import InfRange
from zarr_fuse.schema.steps import parse_steps
from zarr_fuse.schema.types import DType, parse_dtype
from zarr_fuse.schema.unit_forms import parse_unit, warn_of_summer_time
from zarr_fuse.schema.variable import Coord, Variable
from zarr_fuse.units import AnyUnit, DateTimeUnit, NoneUnit, Unit

RESERVED_ATTRS = frozenset(
    {
        *("unit", "type", "range", "description", "df_col", "source_unit"),
        *("composed", "chunk_size", "step_limits", "sorted"),
        *("units", "calendar", "flag_values", "flag_meanings", "_FillValue", "_ARRAY_DIMENSIONS"),
        *("scale_factor", "add_offset", "missing_value", "_Unsigned", "coordinates"),
    }
)
OPEN_KEYS = ("composed", "chunk_size", "sorted")


def build_variable(name: str, raw: Mapping[str, Any], ctx: SchemaCtx) -> Variable:
    """The variable that an entry of VARS describes."""
    ctx = _marked(raw, ctx)
    document = read_document(VariableDocument, modernised(raw, name, ctx), ctx)
    coords = ctx.tried((), _names, document.coords, ctx.dive("coords"))
    return Variable(name=name, coords=coords, **_common(document, name, ctx))


def build_coord(name: str, raw: Mapping[str, Any], ctx: SchemaCtx) -> Coord:
    """The coordinate that an entry of COORDS describes."""
    ctx = _marked(raw, ctx)
    document = read_document(CoordDocument, modernised(raw, name, ctx), ctx)
    if document.coords is not None and _names(document.coords, ctx.dive("coords")) != (name,):
        ctx.keep(ctx.dive("coords").error(f"a coordinate lies over itself, not over {document.coords!r}"))
    composed = tuple(document.composed or ()) or (name,)
    common = _common(document, name, ctx)
    if len(composed) > 1:
        common |= _composed_type(document, ctx)
    elif composed != (name,):
        ctx.keep(ctx.dive("composed").error("a composed coordinate needs at least two variables"))
    return _coord(name, composed, common, document, ctx)


def _coord(
    name: str, composed: tuple[str, ...], common: dict[str, Any], document: CoordDocument, ctx: SchemaCtx
) -> Coord:
    chunk_size = document.chunk_size or 1024
    if document.shard_size is not None and document.shard_size % chunk_size:
        ctx.keep(
            ctx.dive("shard_size").error(f"{document.shard_size} is no multiple of chunk_size {chunk_size}")
        )
    in_order = len(composed) == 1 if document.sorted is None else document.sorted
    if in_order and len(composed) > 1:
        ctx.dive("sorted").warning("a composed axis is never sorted")
        in_order = False
    unit, limits_ctx = common["unit"], ctx.dive("step_limits")
    any_new = parse_steps("any_new", unit, limits_ctx)
    steps = ctx.tried(any_new, parse_steps, document.step_limits, unit, limits_ctx)
    coord = Coord(
        name=name,
        coords=(name,),
        **common,
        composed=composed,
        chunk_size=chunk_size,
        shard_size=document.shard_size,
        step_limits=steps,
        sorted=in_order,
        left_open=frozenset(key for key in OPEN_KEYS if not _says(document, key)),
    )
    if coord.step_limits.steps_in(coord.unit) and not coord.step_bounds and not ctx.stored:
        limits_ctx.warning("step limits need a sorted axis of numbers or times; ignored here")
    return coord


def _says(document: CoordDocument, key: str) -> bool:
    return key in document.model_fields_set and getattr(document, key) is not None


def _common(document: VariableDocument, name: str, ctx: SchemaCtx) -> dict[str, Any]:
    attrs: dict[str, Any] = ctx.tried({}, _attrs, document, ctx)
    same = document.source_unit is None or document.source_unit == document.unit
    given = None if same else document.source_unit
    source = ctx.tried(NoneUnit(), parse_unit, given, ctx.dive("source_unit"))
    unit = parse_unit(document.unit, ctx.dive("unit"))
    warn_of_summer_time(unit, ctx.dive("unit"))
    source_unit = unit if same else source
    dtype = _type(document, unit, ctx)
    df_col = name if document.df_col is None else document.df_col
    na_value = ctx.tried(dtype.default_na if dtype else None, _na_value, document, dtype, ctx)
    owner = RangeOwner(dtype, na_value, unit, source_unit, df_col)
    return {
        "unit": unit,
        "source_unit": source_unit,
        "type": dtype,
        "na_value": na_value,
        "range": ctx.tried(InfRange(), parse_range, document.range, owner, ctx.dive("range")),
        "df_col": df_col,
        "description": document.description,
        "attrs": attrs,
    }


def _type(document: VariableDocument, unit: AnyUnit, ctx: SchemaCtx) -> DType | None:
    if isinstance(unit, DateTimeUnit):
        own = DType(f"datetime64[{unit.tick}]")
        aliases = {own.name, f"datetime64[{unit.multiple}{unit.tick}]"}
        if document.type is not None and document.type not in aliases:
            raise ctx.dive("type").error(f"times in this unit are {own}, not {document.type!r}")
        return own
    if document.type is not None:
        dtype = parse_dtype(document.type, ctx.dive("type"))
        if dtype.kind == "M":
            raise ctx.dive("type").error(f"{dtype} needs a unit of time, such as {{tick: s, tz: UTC}}")
        return dtype
    if not isinstance(unit, NoneUnit):
        return DType("float64")
    return label_type(document.range.discrete) if document.range else None


def _na_value(document: VariableDocument, dtype: DType | None, ctx: SchemaCtx) -> Any:  # noqa: ANN401
    where = ctx.dive("na_value")
    if dtype is not None:
        return dtype.na_value(document.na_value, where)
    if document.na_value is not None:
        raise where.error("a missing value needs a type")
    return None


def _composed_type(document: CoordDocument, ctx: SchemaCtx) -> dict[str, Any]:
    if document.type is not None and parse_dtype(document.type, ctx.dive("type")).name != "int64":
        raise ctx.dive("type").error(f"the labels of a composed axis are int64, not {document.type!r}")
    dtype = DType("int64")
    return {"type": dtype, "na_value": dtype.default_na}


def _attrs(document: VariableDocument, ctx: SchemaCtx) -> dict[str, Any]:
    attrs = copy.deepcopy(document.attrs or {})
    taken = [key for key in attrs if key in RESERVED_ATTRS or key.startswith("__zf_")]
    if taken:
        raise ctx.dive("attrs", taken[0]).error("this name has a meaning of its own in stored arrays")
    return attrs


def _names(coords: str | list[str] | None, ctx: SchemaCtx) -> tuple[str, ...]:
    names = (coords,) if isinstance(coords, str) else tuple(coords or ())
    if len(set(names)) != len(names):
        raise ctx.error("a coordinate is named twice")
    return names


def _marked(raw: object, ctx: SchemaCtx) -> SchemaCtx:
    """Entries that repeat their name were written by a store."""
    if not isinstance(raw, Mapping):
        raise ctx.error(f"expected a mapping, not {raw!r}", SchemaError)
    return ctx.as_stored() if "name" in raw else ctx


def default_coord(name: str) -> Coord:
    """A coordinate that only the `coords` of variables mention."""
    steps = parse_steps("any_new", Unit(""), SchemaCtx((name,)))
    return Coord(
        name=name,
        coords=(name,),
        df_col=name,
        composed=(name,),
        step_limits=steps,
        left_open=frozenset((*OPEN_KEYS, "unit", "source_unit", "df_col", "step_limits", "range")),
    )
