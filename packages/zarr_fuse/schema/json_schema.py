"""The JSON Schema of schema documents, for editors that complete and check while one writes.

It is made from the models of `document.py` and tightened by what the parser checks value by value. What takes
more than one place to judge (units, components, unknown zones) is left to `zarr_fuse.schema.source.check`.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from zarr_fuse.schema.document import CoordDocument, VariableDocument
from zarr_fuse.schema.entries import RESERVED_ATTRS
from zarr_fuse.schema.legacy import IGNORED
from zarr_fuse.schema.parse import NAME, RESERVED_KEYS, RESERVED_NAMES
from zarr_fuse.schema.types import TYPE_PATTERN
from zarr_fuse.values.time_units import TICK_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JsonSchema = dict[str, Any]

_ANY_NODE = {"$ref": "#/$defs/Node"}
_VARIABLE = {"$ref": "#/$defs/VariableDocument"}
_COORD = {"$ref": "#/$defs/CoordDocument"}
_TIME_UNIT = {"$ref": "#/$defs/TimeUnitDocument"}
_BOUND = {"type": ["number", "string", "null"]}
_NAMES = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_STEPS = {"start": {"type": "number"}, "end": {"type": "number"}, "unit": {"type": ["string", "null"]}}


def _whole(pattern: str) -> str:
    return f"^({pattern})$"


def _list(*items: object, at_least: int) -> JsonSchema:
    return {"type": "array", "prefixItems": list(items), "items": False, "minItems": at_least}


def _obsolete(meaning: str, **allowed: object) -> JsonSchema:
    return {**allowed, "deprecated": True, "description": meaning}


_REFINED: dict[str, JsonSchema] = {
    "tick": {"type": "string", "pattern": _whole(TICK_PATTERN)},
    "interval": {
        "anyOf": [
            _BOUND,
            _list(_BOUND, _BOUND, {"anyOf": [{"type": ["string", "null"]}, _TIME_UNIT]}, at_least=0),
        ]
    },
    "discrete": {
        "anyOf": [
            {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1, "uniqueItems": True},
            {"type": "string"},
        ]
    },
    "type": {"type": ["string", "null"], "pattern": _whole(TYPE_PATTERN)},
    "attrs": {
        "type": ["object", "null"],
        "propertyNames": {"not": {"anyOf": [{"enum": sorted(RESERVED_ATTRS)}, {"pattern": "^__zf_"}]}},
    },
    "composed": {"anyOf": [_NAMES, {"type": "null"}]},
    "sorted": {
        "anyOf": [
            {"type": ["boolean", "null"]},
            _obsolete("means null", const="None"),
            _obsolete("means false", const=[]),
        ],
        "default": True,
    },
    "step_limits": {
        "anyOf": [
            {"enum": ["any_new", "no_new", None]},
            _list({"type": "number"}, {"type": "number"}, {"type": ["string", "null"]}, at_least=2),
            {"const": []},
            _obsolete("means any_new", const="None"),
            _obsolete(
                "write [start, end, unit]",
                type="object",
                properties=_STEPS,
                required=["start", "end"],
                additionalProperties=False,
            ),
        ]
    },
}
_MERGE = _obsolete("no effect", anyOf=[{"type": ["object", "null"]}, {"const": "None"}])
_OBSOLETE_KEYS: dict[str, JsonSchema] = {
    "name": {"type": "string", "description": "the key of the entry once more, as stores write it"},
    "merge": _MERGE,
    **{key: _obsolete("no effect") for key in IGNORED},
}
_NAME = {"pattern": NAME, "not": {"enum": sorted(RESERVED_NAMES)}}
_TIMES_IN_VARS = {
    "type": "object",
    "required": ["unit"],
    "properties": {"unit": {"type": "object"}},
    "not": {"required": ["coords"]},
}
_NODE: JsonSchema = {
    "type": ["object", "null"],
    "description": "A node: ATTRS, VARS and COORDS describe it, every other key is a child node.",
    "properties": {
        "ATTRS": {
            "type": ["object", "null"],
            "description": "attributes of the group; those of the root may hold options of the store",
            "propertyNames": {"not": {"pattern": RESERVED_KEYS}},
        },
        "VARS": {
            "type": ["object", "null"],
            "description": "the variables of the node, by name",
            "propertyNames": _NAME,
            "additionalProperties": {
                "if": _TIMES_IN_VARS,
                "then": {**_COORD, **_obsolete("a coordinate is described in COORDS")},
                "else": _VARIABLE,
            },
        },
        "COORDS": {
            "type": ["object", "null"],
            "description": "the coordinates of the node, by name; null or absence means all defaults",
            "propertyNames": _NAME,
            "additionalProperties": {"anyOf": [_COORD, {"type": "null"}]},
        },
    },
    "propertyNames": _NAME,
    "additionalProperties": _ANY_NODE,
}


class _Untitled(GenerateJsonSchema):
    """Adds no titles, which would only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002
        """Never."""
        return False


def document_schema() -> JsonSchema:
    """The JSON Schema (draft 2020-12) of a schema document: a tree of nodes.

    It describes the document as JSON, where dates are text. Obsolete forms pass, marked `deprecated`.
    """
    _, made = models_json_schema(
        [(VariableDocument, "validation"), (CoordDocument, "validation")],
        ref_template="#/$defs/{model}",
        schema_generator=_Untitled,
    )
    models: dict[str, JsonSchema] = made["$defs"]
    return {
        "$schema": DIALECT,
        "title": "Schema of a zarr_fuse store",
        **_ANY_NODE,
        "$defs": {"Node": _NODE, **{name: _refined(model) for name, model in models.items()}},
    }


def _refined(model: JsonSchema) -> JsonSchema:
    properties = {key: _refined_key(key, given) for key, given in model["properties"].items()}
    described = {key: value for key, value in model.items() if key != "title"}
    if "coords" in properties:
        return described | {"properties": properties | _OBSOLETE_KEYS}
    return described | {"properties": properties} | ({"maxProperties": 1} if "interval" in properties else {})


def _refined_key(key: str, given: JsonSchema) -> JsonSchema:
    if key not in _REFINED:
        return given
    kept = {fact: given[fact] for fact in ("description", "default") if fact in given}
    return kept | _REFINED[key]
