"""Refuses requests whose framing a proxy in front may have understood otherwise (RFC 9112, 3.2 and 6)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingress_service.web.problems import build, instance_of, respond

MAX_HEADERS = 200
MAX_HEADER_BYTES = 64 * 1024


class FramingMiddleware:
    """Looks at the shape of a request before anything else reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, text = _objection(scope)
        if not status:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request.state.code = "request_malformed"
        problem = build(status, "request_malformed", "The request is malformed", text, instance_of(request))
        await respond(problem, {"Connection": "close"})(scope, receive, send)


def _objection(scope: Scope) -> tuple[int, str]:
    """Status and reason of a refusal, or 0."""
    if scope["http_version"] not in {"1.0", "1.1"}:
        return 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        return 431, f"The request has more than {MAX_HEADERS} headers."
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return 431, f"The headers of the request have more than {MAX_HEADER_BYTES} bytes."
    names = [name for name, _ in headers]
    if names.count(b"host") > 1 or (b"host" not in names and scope["http_version"] == "1.1"):
        return 400, "The request must name one Host."
    return _objection_to_encoding(scope, names) if b"transfer-encoding" in names else (0, "")


def _objection_to_encoding(scope: Scope, names: list[bytes]) -> tuple[int, str]:
    """What is wrong with a body that has no length, or 0."""
    if b"content-length" in names:
        return 400, "The request has both Content-Length and Transfer-Encoding."
    if scope["http_version"] == "1.0":
        return 400, "HTTP/1.0 knows no Transfer-Encoding."
    encodings = [value.lower() for name, value in scope["headers"] if name == b"transfer-encoding"]
    if encodings != [b"chunked"]:
        return 501, "The only Transfer-Encoding known here is chunked."
    return 0, ""
