"""What `/openapi.json` says: errors from the one table, bodies and headers of each configured endpoint."""

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from packages.common.binary_payload import FORMATS
from packages.common.models.configuration_model import Endpoint
from services.ingress_service.web.answers import Accepted, Problem, ValidationReport
from services.ingress_service.web.checks import optional_columns, required_columns
from services.ingress_service.web.content import SUPPORTED
from services.ingress_service.web.inlets import Inlet
from services.ingress_service.web.problems import ANSWERS, FRAMEWORK, INTERNAL, MEDIA_TYPE, build

Group = Literal["upload", "list", "item", "item_action", "scraper"]
GROUPS: dict[Group, tuple[int, ...]] = {
    "upload": (400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 500, 503),
    "list": (400, 401, 403, 422, 500, 503),
    "item": (400, 401, 403, 404, 422, 500, 503),
    "item_action": (400, 401, 403, 404, 409, 422, 500, 503),
    "scraper": (401, 403, 404, 422, 500, 503),
}
REFERENCE = "#/components/schemas/{model}"
REQUEST_HEADERS = {
    "Content-Encoding": "`gzip` or `zstd`, if the body is compressed.",
    "Content-MD5": "Base64 MD5 of the body as sent; verified.",
    "Repr-Digest": "`sha-256=:<base64>:` or `sha-512=:<base64>:` of the body as sent; verified.",
    "Idempotency-Key": "The same key with the same payload gets the first answer again, for a day.",
    "X-Request-ID": "Id for the logs; returned with the answer, made up if absent.",
}


def errors_of(group: Group) -> dict[int | str, dict[str, Any]]:
    """The error answers of a group of routes, each status with all its codes."""
    return {status: _error_response(status) for status in GROUPS[group]}


def upload_operation(inlet: Inlet[Endpoint]) -> dict[str, Any]:
    """Everything but path and function of the upload routes of an endpoint."""
    return {
        "summary": f"Upload to {inlet.target.name}",
        "description": _describe(inlet),
        "status_code": 202,
        "response_model": None,
        "responses": {
            200: {
                "model": ValidationReport,
                "description": "With `validate=only`: it would be accepted",
            },
            202: {
                "model": Accepted,
                "description": "Stored durably; it will be merged",
                "headers": {
                    "Location": {"schema": {"type": "string"}, "description": "state of the item"},
                    "Idempotent-Replayed": {
                        "schema": {"type": "string"},
                        "description": "`true` where the same Idempotency-Key had this answer before",
                    },
                },
            },
            **errors_of("upload"),
        },
        "openapi_extra": {"requestBody": _request_body(inlet), "parameters": _header_parameters()},
    }


def install(app: FastAPI) -> None:
    """Make the application describe itself with the error model among its components."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schema = Problem.model_json_schema(ref_template=REFERENCE)
            components = document.setdefault("components", {}).setdefault("schemas", {})
            components |= schema.pop("$defs", {}) | {"Problem": schema}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _error_response(status: int) -> dict[str, Any]:
    titles = {kind.kind: answer.title for kind, answer in ANSWERS.items() if answer.status == status}
    titles |= {code: title for known, code, title in FRAMEWORK if known == status}
    if status == INTERNAL.status:
        titles = {"internal": INTERNAL.title}
    examples = {
        code: {"value": build(status, code, title, f"{title}.", "/api/v1/…").model_dump()}
        for code, title in titles.items()
    }
    schema = {"$ref": REFERENCE.format(model="Problem")}
    described: dict[str, Any] = {
        "description": "; ".join(f"`{code}`: {title}" for code, title in titles.items()),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }
    if header := {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status):
        described["headers"] = {header: {"schema": {"type": "string"}}}
    return described


def _describe(inlet: Inlet[Endpoint]) -> str:
    endpoint, schema = inlet.target, inlet.schema_at_target
    if endpoint.extract is not None:
        return "The payload is kept as it is; paths of the configuration make the table from its JSON."
    if endpoint.extract_fn is not None:
        return f"The payload is kept as it is; the extractor `{endpoint.extract_fn}` makes the table from it."
    if schema is None:
        return "The node path names a node of the schema; its coordinates are required columns."
    required = ", ".join(f"`{name}`" for name in required_columns(schema))
    optional = ", ".join(f"`{name}`" for name in optional_columns(schema))
    return f"Required columns: {required}. Optional columns: {optional}."


def _request_body(inlet: Inlet[Endpoint]) -> dict[str, Any]:
    content: dict[str, Any] = {
        name: {"schema": {} if name == "application/json" else {"type": "string"}} for name in SUPPORTED
    }
    content |= {name: {"schema": {"type": "string", "format": "binary"}} for name in FORMATS}
    schema = inlet.schema_at_target
    if schema is not None and not inlet.target.is_extracted:
        columns = [*required_columns(schema), *optional_columns(schema)]
        content["text/csv"]["example"] = ",".join(columns) + "\n…\n"
    file_schema = {"type": "string", "format": "binary", "description": "type from the part or its file name"}
    content["multipart/form-data"] = {
        "schema": {"type": "object", "properties": {"file": file_schema}, "required": ["file"]}
    }
    return {"required": True, "content": content}


def _header_parameters() -> list[dict[str, Any]]:
    return [
        {"in": "header", "name": name, "description": text, "required": False, "schema": {"type": "string"}}
        for name, text in REQUEST_HEADERS.items()
    ]
