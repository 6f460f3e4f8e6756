"""The one error shape (RFC 9457), and the one table from exceptions to statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from packages.common import errors as common
from services.ingress_service import errors
from services.ingress_service.web.answers import Problem, RowProblem

MEDIA_TYPE = "application/problem+json"
REALM = 'Basic realm="ingress", charset="UTF-8"'
RETRY_AFTER_S = 10
REASON_LENGTH = 500  # of what the client is not told, in the log


@dataclass(frozen=True)
class Answer:
    """How one class of exception is answered; `public` replaces a message that may name inner places."""

    status: int
    title: str
    public: str | None = None


ANSWERS: Mapping[type[common.IngressError], Answer] = {
    errors.MalformedRequestError: Answer(400, "The request contradicts itself"),
    errors.ContentTypeMissingError: Answer(400, "No Content-Type"),
    errors.HeaderMalformedError: Answer(400, "A header cannot be read"),
    errors.MultipartMalformedError: Answer(400, "The multipart body is malformed"),
    errors.DigestMismatchError: Answer(400, "The digest does not match the body"),
    errors.SchemaMismatchError: Answer(400, "The table does not fit the schema"),
    errors.ColumnsMissingError: Answer(400, "Required columns are missing"),
    errors.ExtractionFailedError: Answer(400, "The extractor makes no table of it"),
    common.NodePathError: Answer(400, "The node path is not valid"),
    errors.NotAuthenticatedError: Answer(401, "No or wrong credentials"),
    errors.ForbiddenError: Answer(403, "Not allowed"),
    errors.UnknownTargetError: Answer(404, "Not found"),
    errors.NodeUnknownError: Answer(404, "The schema has no such node"),
    errors.ScraperUnknownError: Answer(404, "No such scraper"),
    common.ItemNotFoundError: Answer(404, "No such item"),
    common.EmptyPayloadError: Answer(406, "The body is empty"),
    common.PayloadError: Answer(406, "The body cannot be parsed"),
    errors.BodyTimeoutError: Answer(408, "The body came too slowly"),
    errors.ItemStateError: Answer(409, "The state of the item does not allow this"),
    common.ItemBusyError: Answer(409, "The item is being moved"),
    errors.KeyBusyError: Answer(409, "The Idempotency-Key is being handled"),
    errors.BodyTooLargeError: Answer(413, "The body is too large"),
    common.PayloadTooLargeError: Answer(413, "The payload is too large for its type"),
    common.UnsupportedTypeError: Answer(415, "The Content-Type is not supported"),
    errors.EncodingUnsupportedError: Answer(415, "The encoding is not supported"),
    errors.KeyReusedError: Answer(422, "The Idempotency-Key belongs to another payload"),
    errors.TooManyUploadsError: Answer(429, "Too many uploads at once"),
    errors.OverloadedError: Answer(503, "Too much is in flight"),
    errors.QueueFullError: Answer(503, "The queue is full"),
    common.ObjectMissingError: Answer(404, "No such item", "The item has just been moved or removed."),
    common.StorageError: Answer(503, "The storage fails", "The storage refused the request."),
    common.StorageUnavailableError: Answer(
        503, "The storage does not answer", "The storage does not answer. Try again later."
    ),
}
INTERNAL = Answer(500, "Internal error", "The service failed. The request id leads to the cause in its log.")
RETRIED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
FRAMEWORK = (
    (404, "no_such_route", "No such route"),
    (405, "method_not_allowed", "This route does not take this method"),
    (422, "parameter_invalid", "A parameter is not valid"),
)
ROUTES_HINT = "/docs lists those of the configuration with which the service was started"


def answer_for(error: BaseException) -> Answer:
    """Answer of the closest class of `error` in the table; anything unknown is internal."""
    return next((answer for kind in type(error).__mro__ if (answer := ANSWERS.get(kind))), INTERNAL)


def problem_of(error: BaseException, instance: str) -> Problem:
    """The problem document of an exception."""
    answer = answer_for(error)
    code = "internal" if answer is INTERNAL else str(getattr(error, "kind", "internal"))
    return build(answer.status, code, answer.title, answer.public or str(error), instance, _rows(error))


def build(
    status: int, code: str, title: str, detail: str, instance: str, rows: list[RowProblem] | None = None
) -> Problem:
    """A problem document with its derived members filled in."""
    return Problem(
        type=f"urn:zarr-fuse-ingress:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        error=detail,
        code=code,
        errors=rows or [],
    )


def headers_of(status: int, retry_after_s: float | None = None) -> dict[str, str]:
    """Headers that an error status always carries."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": REALM}
    if status in RETRIED:
        return {"Retry-After": str(round(retry_after_s or RETRY_AFTER_S))}
    return {}


def instance_of(request: Request) -> str:
    """Path of the request, percent-encoded and bounded."""
    return quote(request.url.path, safe="/%:@!$&'()*+,;=~")[:500]


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response that carries a problem; notes its code for the access log."""
    merged = headers_of(problem.status) | dict(headers or {})
    return JSONResponse(problem.model_dump(), problem.status, merged, MEDIA_TYPE)


def respond_to(error: Exception, request: Request) -> JSONResponse:
    """Answer an exception of the tables above."""
    problem = problem_of(error, instance_of(request))
    request.state.code = problem.code
    if problem.detail != str(error):
        request.state.reason = " ".join(str(error).split())[:REASON_LENGTH]
    return respond(problem)


def respond_to_framework(error: StarletteHTTPException, request: Request) -> JSONResponse:
    """Answer what the framework itself refuses: unknown routes and methods."""
    code, title = _framework(error.status_code)
    headers = {**(error.headers or {})}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    request.state.code = code
    detail = f"{title}; {ROUTES_HINT}." if error.status_code == HTTPStatus.NOT_FOUND else f"{title}."
    problem = build(error.status_code, code, title, detail, instance_of(request))
    return respond(problem, headers)


def _methods(request: Request) -> list[str]:
    """Every method of the resource that the request addresses, whatever route each of them has."""
    path = getattr(request.scope.get("route"), "path", None)
    same = (route for route in request.app.routes if getattr(route, "path", "") == path)
    return sorted({method for route in same for method in getattr(route, "methods", ())})


def respond_to_parameters(findings: Sequence[dict[str, Any]], request: Request) -> JSONResponse:
    """Answer parameters that the framework could not convert, each named."""
    code, title = _framework(422)
    request.state.code = code
    detail = "; ".join(f"{finding['loc'][-1]}: {finding['msg']}" for finding in findings)
    return respond(build(422, code, title, detail, instance_of(request)))


def _framework(status: int) -> tuple[str, str]:
    known = {number: (code, title) for number, code, title in FRAMEWORK}
    return known.get(status, (f"http_{status}", HTTPStatus(status).phrase))


def _rows(error: BaseException) -> list[RowProblem]:
    """Rows at fault: those an error carries, or the one place where parsing stopped."""
    listed = getattr(error, "errors", None)
    if isinstance(listed, list):
        return [RowProblem.model_validate(row) for row in listed]
    if isinstance(error, common.PayloadError) and (error.line, error.row, error.name) != (None,) * 3:
        return [RowProblem(row=error.row, column=error.name, message=str(error))]
    return []
