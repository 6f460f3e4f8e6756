"""What `/openapi.json` says: errors from the one table, uploads and scrapers of this configuration."""

from collections.abc import Collection, Iterable
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from packages.common.models.configuration_model import Endpoint
from services.ingress_service.web.answers import Accepted, Problem, ValidationReport
from services.ingress_service.web.description.uploads import describe_uploads
from services.ingress_service.web.items.patterns import PRINTABLE_PATTERN
from services.ingress_service.web.problems import ANSWERS, FRAMEWORK, INTERNAL, MEDIA_TYPE, build
from services.ingress_service.web.uploads.inlets import Inlet

Group = Literal["upload", "list", "item", "item_action", "scraper"]
GROUPS: dict[Group, tuple[int, ...]] = {
    "upload": (400, 401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 500, 503),
    "list": (400, 401, 403, 422, 500, 503),
    "item": (400, 401, 403, 404, 422, 500, 503),
    "item_action": (400, 401, 403, 404, 409, 422, 500, 503),
    "scraper": (400, 401, 403, 404, 422, 500, 503),
}
REFERENCE = "#/components/schemas/{model}"
TEXT = {"type": "string"}
REQUEST_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "Content-Encoding": (
        {"type": "string", "enum": ["gzip", "zstd", "identity"]},
        "How the body is compressed.",
    ),
    "Content-MD5": (
        {"type": "string", "pattern": "^[A-Za-z0-9+/]{21}[AQgw]==$"},
        "Base64 MD5 of the body as sent; verified.",
    ),
    "Repr-Digest": (
        {"type": "string", "pattern": "^sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:$"},
        "`sha-256=:<base64>:` or `sha-512=:<base64>:` of the body as sent; verified.",
    ),
    "Idempotency-Key": (
        {"type": "string", "pattern": "^[!-~](?:[ -~]{0,253}[!-~])?$"},
        "The same key with the same payload gets the first answer again, for a day.",
    ),
    "X-Request-ID": (TEXT, "Id for the logs; returned with the answer, made up if absent or not plain."),
    "traceparent": (TEXT, "W3C trace context; carried into the item."),
}
ANSWER_HEADERS = {"X-Request-ID": {"schema": TEXT, "description": "id of the request in the logs"}}
ERROR_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def errors_of(group: Group) -> dict[int | str, dict[str, Any]]:
    """The error answers of a group of routes, each status with all its codes."""
    return {status: _error_response(status) for status in GROUPS[group]}


def upload_operation(inlet: Inlet[Endpoint]) -> dict[str, Any]:
    """What the upload routes of an endpoint have in common; `describe_uploads` adds the bodies."""
    return {
        "summary": f"Upload to {inlet.target.name}",
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
                    "Location": {"schema": TEXT, "description": "state of the item"},
                    "Idempotent-Replayed": {
                        "schema": TEXT,
                        "description": "`true` where the same Idempotency-Key had this answer before",
                    },
                },
            },
            **errors_of("upload"),
        },
        "openapi_extra": {"parameters": _header_parameters()},
    }


def install(app: FastAPI, inlets: Iterable[Inlet[Endpoint]], scrapers: Collection[str]) -> None:
    """Make the application describe itself, with its own endpoints, nodes and scrapers."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schema = Problem.model_json_schema(ref_template=REFERENCE)
            components = document.setdefault("components", {}).setdefault("schemas", {})
            components |= schema.pop("$defs", {}) | {"Problem": schema}
            describe_uploads(document, inlets)
            _finish(document, scrapers)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _finish(document: dict[str, Any], scrapers: Collection[str]) -> None:
    """Name the scrapers, and the header that every answer has."""
    operations = [
        (path, operation) for path, item in document["paths"].items() for operation in item.values()
    ]
    for path, operation in operations:
        for answer in operation["responses"].values():
            answer["headers"] = {**answer.get("headers", {}), **ANSWER_HEADERS}
        for parameter in operation.get("parameters", ()):
            if "/scrappers/" in path and parameter["name"] == "name":
                known = {"enum": sorted(scrapers)} if scrapers else {"pattern": PRINTABLE_PATTERN}
                parameter["schema"] |= known


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
    if header := ERROR_HEADERS.get(status):
        described["headers"] = {header: {"schema": TEXT}}
    return described


def _header_parameters() -> list[dict[str, Any]]:
    return [
        {"in": "header", "name": name, "description": text, "required": False, "schema": dict(schema)}
        for name, (schema, text) in REQUEST_HEADERS.items()
    ]
