"""Refuses requests whose framing a proxy in front may have understood otherwise (RFC 9112, 3.2 and 6)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingress_service.web.problems import build, instance_of, respond

MAX_HEADERS = 200
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


class FramingMiddleware:
    """Looks at the shape of a request before anything else reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _make_relative(scope)
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
    if len(scope["headers"]) > MAX_HEADERS:
        return 431, f"The request has more than {MAX_HEADERS} headers."
    headers = Headers(scope=scope)
    if "transfer-encoding" not in headers:
        return 0, ""
    if "content-length" in headers:
        return 400, "The request has both Content-Length and Transfer-Encoding."
    if scope["http_version"] == "1.0":
        return 400, "HTTP/1.0 knows no Transfer-Encoding."
    return 0, ""


def _make_relative(scope: Scope) -> None:
    """Take the origin off a target in absolute form."""
    raw = scope.get("raw_path", b"")
    if not raw.startswith(b"/") and (found := _ABSOLUTE.match(raw)):
        scope["raw_path"] = raw[found.end() :] or b"/"
        scope["path"] = unquote(scope["raw_path"].decode("ascii", "replace"))
