"""The upload operations of `/openapi.json`: one for each endpoint, and one for each node below it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any
from urllib.parse import quote

from packages.common.models.configuration_model import Endpoint
from packages.common.payloads.pieces import WHOLE_BYTES
from services.ingress_service.web.uploads.checks import optional_columns, required_columns
from services.ingress_service.web.uploads.content import SUPPORTED
from services.ingress_service.web.uploads.inlets import Inlet, find_node, nodes_with_data
from zarr_fuse.schema import Coord, DatasetSchema, Variable
from zarr_fuse.units import DateTimeUnit

MAX_NODES = 100
"""Nodes of one endpoint that are described one by one."""
JSON_TYPES = frozenset({"application/json", "application/x-ndjson"})
LIMITS = (
    "Up to `MAX_UPLOAD_BYTES` as sent and `MAX_DECOMPRESSED_BYTES` once decoded; "
    f"application/json up to {WHOLE_BYTES >> 20} MiB. More is 413."
)
JSON_LIMIT = (
    f"Up to {WHOLE_BYTES >> 20} MiB once decoded, because it is checked and merged as one value; "
    "application/x-ndjson and text/csv may be larger."
)
SCALAR = {"type": ["string", "number", "boolean", "null"]}
TEXT_TYPES = frozenset({"text/csv", *JSON_TYPES})


def describe_uploads(document: dict[str, Any], inlets: Iterable[Inlet[Endpoint]]) -> None:
    """Complete the operation of each endpoint, and add those of the nodes below it."""
    for inlet in inlets:
        path = inlet.target.endpoint.rstrip("/")
        operation = document["paths"][path]["post"]
        for node in nodes_below(inlet)[:MAX_NODES]:
            own = deepcopy(operation)
            own["operationId"] = f"{operation['operationId']}/{node}"
            own["summary"] = f"{operation['summary']}, node {node}"
            _complete(own, inlet, inlet.dataset_schema(node))
            document["paths"][f"{path}/{quote(node)}"] = {"post": own}
        _complete(operation, inlet, inlet.schema_at_target)


def nodes_below(inlet: Inlet[Endpoint]) -> list[str]:
    """Paths of the nodes with variables, relative to the endpoint's own node, which is left out."""
    start = find_node(inlet.schema, inlet.target.target_node)
    return [node for node in nodes_with_data(start) if node] if start is not None else []


def _complete(operation: dict[str, Any], inlet: Inlet[Endpoint], schema: DatasetSchema | None) -> None:
    operation["description"] = _text(inlet, schema)
    columns = None if inlet.target.is_extracted else schema
    operation["requestBody"] = {"required": True, "description": LIMITS, "content": _content(columns)}


def _text(inlet: Inlet[Endpoint], schema: DatasetSchema | None) -> str:
    endpoint = inlet.target
    if endpoint.extract is not None:
        return "The payload is kept as it is; paths of the configuration make the table from its JSON."
    if endpoint.extract_fn is not None:
        return f"The payload is kept as it is; the extractor `{endpoint.extract_fn}` makes the table from it."
    if schema is None:
        return "This node has no variables; name a node below it in the path."
    required = ", ".join(f"`{name}`" for name in required_columns(schema))
    optional = ", ".join(f"`{name}`" for name in optional_columns(schema))
    return f"Required columns: {required}. Optional columns: {optional}."


def _content(schema: DatasetSchema | None) -> dict[str, Any]:
    content: dict[str, Any] = {name: {"schema": _payload(name, schema)} for name in SUPPORTED}
    if schema is not None:
        content["text/csv"]["example"] = _example(schema)
    file_schema = {"type": "string", "format": "binary", "description": "type from the part or its file name"}
    content["multipart/form-data"] = {
        "schema": {"type": "object", "properties": {"file": file_schema}, "required": ["file"]},
        "encoding": {"file": {"contentType": ", ".join(SUPPORTED)}},
    }
    return content


def _payload(content_type: str, schema: DatasetSchema | None) -> dict[str, Any]:
    """What JSON Schema can say about a payload: columns of JSON records, and that nothing is empty."""
    if content_type == "application/json":
        return {"description": JSON_LIMIT} | (_records(schema) if schema is not None else {})
    if content_type in TEXT_TYPES:
        return {"type": "string", "minLength": 1}
    return {"type": "string", "format": "binary"}


def _records(schema: DatasetSchema) -> dict[str, Any]:
    columns = [*required_columns(schema), *optional_columns(schema)]
    record = {
        "type": "object",
        "minProperties": 1,
        "properties": dict.fromkeys(columns, SCALAR),
        "additionalProperties": SCALAR,
    }
    lists = {"type": "array", "minItems": 1, "items": SCALAR}
    by_column = {"type": "object", "minProperties": 1, "additionalProperties": lists}
    return {"anyOf": [{"type": "array", "minItems": 1, "items": record}, record, by_column]}


def _example(schema: DatasetSchema) -> str:
    """A CSV of one row that fits; values are plausible, no more."""
    variables = {variable.df_col: variable for variable in (*schema.COORDS.values(), *schema.VARS.values())}
    columns = [*required_columns(schema), *optional_columns(schema)]
    return ",".join(columns) + "\n" + ",".join(_cell(variables[name]) for name in columns) + "\n"


def _cell(variable: Coord | Variable) -> str:
    if isinstance(variable.unit, DateTimeUnit):
        return "2026-11-20T08:15:00Z"
    return "a" if variable.type is not None and variable.type.kind == "U" else "1"
