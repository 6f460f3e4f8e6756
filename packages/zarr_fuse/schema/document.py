"""What a schema document may hold, as strict models; the meaning is worked out by the modules around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from zarr_fuse.errors import MissingKeyError, SchemaError, UnknownKeyError
from zarr_fuse.schema.context import Key, SchemaCtx, nearest


class Document(BaseModel):
    """A mapping of a schema document: known keys only, no value coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TimeUnitDocument(Document):
    """A unit of time: ticks on the wall clock of a zone."""

    tick: str = Field("us", description="span in which times are counted, one of D h m s ms us ns")
    tz: str | None = Field(
        "UTC",
        description="zone of the wall clock: ±HH:MM, an abbreviation with one fixed offset, or a zone name",
    )
    dayfirst: bool = Field(default=False, description="read 5/6/2024 as 5 June")
    yearfirst: bool = Field(default=True, description="read 21-12-31 as a day of 2021")


def _shape(value: object) -> str | None:
    if isinstance(value, Mapping | TimeUnitDocument):
        return "time"
    return "text" if isinstance(value, str) else None


UnitDocument = Annotated[
    Annotated[str, Tag("text")] | Annotated[TimeUnitDocument, Tag("time")],
    Discriminator(
        _shape,
        custom_error_type="unit",
        custom_error_message="a unit is text, a mapping with tick and tz, or null",
    ),
]


class RangeDocument(Document):
    """Accepted values: an interval or a list, in the unit of the variable."""

    interval: Any = Field(
        None, description="accepted are min to max, both included; a third entry is the unit of the bounds"
    )
    discrete: Any = Field(
        None,
        description="accepted labels, or the name of a CSV file, beside the schema, with a column of them",
    )


class VariableDocument(Document):
    """A variable: values over its coordinates."""

    coords: str | list[str] = Field(
        description="the coordinate or coordinates, in axis order, that the values lie over; [] is a scalar"
    )
    unit: UnitDocument | None = Field(
        None,
        description='stored unit: text such as "m/s" ("" is dimensionless), a mapping for times, or null',
    )
    type: str | None = Field(
        None,
        description="stored type; by default that of the unit (float64 or times), else of the first table",
    )
    na_value: int | float | str | None = Field(
        None,
        description="what stands for a missing value: nan, min_int, max_int, a number or a text of the type",
    )
    range: RangeDocument | None = Field(
        None, description="which values are accepted, after conversion into the unit"
    )
    df_col: str | None = Field(None, description="incoming column; by default the name")
    source_unit: UnitDocument | None = Field(
        None, description="unit of the incoming column; by default the stored one"
    )
    description: str | None = Field(None, description="a sentence for readers of the array")
    attrs: dict[str, Any] | None = Field(
        None,
        description="further attributes of the array, such as standard_name",
    )


class CoordDocument(VariableDocument):
    """A coordinate: the labels along one axis."""

    coords: str | list[str] | None = Field(  # type: ignore[assignment]
        None, description="its own name, if anything"
    )
    composed: list[str] | None = Field(
        None, description="two or more variables over this coordinate that together say where a position is"
    )
    chunk_size: Annotated[int, Field(gt=0)] | None = Field(
        1024, description="chunk length along this axis, in all arrays over it"
    )
    shard_size: Annotated[int, Field(gt=0)] | None = Field(
        None, description="shard length along this axis, a multiple of chunk_size; by default no shards"
    )
    sorted: bool | None = Field(
        None,
        description="keep the axis in ascending order; a composed one keeps the order of appearance",
    )
    step_limits: Literal["any_new", "no_new"] | list[Any] | None = Field(
        "any_new", description="which new labels are taken: any, none, or those at a distance of min to max"
    )


Model = TypeVar("Model", bound=Document)
_INNER: dict[str, type[Document]] = {
    "range": RangeDocument,
    "unit": TimeUnitDocument,
    "source_unit": TimeUnitDocument,
}


def read_document(model: type[Model], raw: Mapping[str, Any], ctx: SchemaCtx) -> Model:
    """The mapping as a model; the first thing wrong as a SchemaError, the rest in its message."""
    try:
        return model.model_validate(dict(raw))
    except pydantic.ValidationError as error:
        found = [_problem(detail, model, raw, ctx) for detail in error.errors(include_url=False)]
    found.sort(key=lambda problem: not isinstance(problem, UnknownKeyError))
    distinct = {problem.message: problem for problem in found}
    if ctx.problems is None:
        raise type(found[0])("\n".join(distinct)) from None
    *others, last = distinct.values()
    for problem in others:
        ctx.keep(problem)
    raise last from None


def _problem(detail: Any, model: type[Document], raw: Mapping[str, Any], ctx: SchemaCtx) -> SchemaError:  # noqa: ANN401
    place, known = _place(detail["loc"], model, raw)
    where = ctx.dive(*place)
    if detail["type"] == "extra_forbidden":
        return where.error(f"unknown key {place[-1]!r}{nearest(place[-1], known)}", UnknownKeyError)
    if detail["type"] == "missing":
        return where.error("this key is required", MissingKeyError)
    return where.error(f"{detail['msg']}, not {detail['input']!r}")


def _place(loc: Sequence[Key], model: type[Document], raw: Mapping[str, Any]) -> tuple[list[Key], list[str]]:
    """The keys of `loc` that lead through the document, and those known there."""
    place: list[Key] = []
    part: Any = raw
    for index, key in enumerate(loc):
        inside = isinstance(part, Mapping) and key in part
        inside = inside or (isinstance(part, list) and isinstance(key, int) and key < len(part))
        if inside:
            place.append(key)
            part = part[key]
        elif index == len(loc) - 1 and isinstance(part, Mapping):
            place.append(key)
    inner = _INNER.get(str(place[0])) if len(place) > 1 else None
    owner: type[Document] = inner or model
    return place, list(owner.model_fields)
