"""Around every request: its id, one access line, the last net for exceptions, and a polite early refusal."""

from __future__ import annotations

import asyncio
import random
import re
import time
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingress_service.web.problems import respond_to
from services.ingress_service.web.signals.metrics import Metrics
from services.ingress_service.web.signals.tracing import NoSpan, Span, Tracing, hand_on

REPLAYED = "Idempotent-Replayed"
REQUEST_ID = "X-Request-ID"
LINGER_S = 5.0
LINGER_BYTES = 64 * 1024 * 1024
SMALL_BODY_BYTES = 64 * 1024
CLIENT_GONE = 499
LOGGED = ("user", "item_id", "received_bytes", "reason")
QUIET_PATHS = frozenset({"/health", "/health/ready", "/metrics"})
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9/_.-]{0,500}")
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

log = structlog.get_logger("ingress.access")


class AccessMiddleware:
    """Gives each request an id, logs and counts its outcome, and answers what nobody else has caught."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        with (
            self._metrics.active.track_inprogress(),
            structlog.contextvars.bound_contextvars(request_id=exchange.request_id),
            self._tracing.request(Headers(scope=scope)) as span,
        ):
            hand_on(scope, span)
            started = time.perf_counter()
            try:
                await self._run(exchange)
            finally:
                self._report(exchange, time.perf_counter() - started)
                self._trace(exchange, span)

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = CLIENT_GONE
        except Exception as error:
            log.exception("request failed")
            if exchange.status:
                raise
            request = Request(exchange.scope)
            await respond_to(error, request)(exchange.scope, exchange.receive, exchange.send)

    def _report(self, exchange: Exchange, seconds: float) -> None:
        state = exchange.scope.get("state", {})
        route = getattr(exchange.scope.get("route"), "path", "unmatched")
        code = "replayed" if exchange.replayed else exchange.outcome
        self._metrics.request(route, exchange.scope["method"], exchange.status, seconds)
        self._metrics.upload(route, exchange.status, code, state.get("received_bytes", 0))
        level = log.debug if exchange.scope["path"] in QUIET_PATHS else log.info
        level(
            "request",
            method=exchange.scope["method"],
            path=exchange.shown_path,
            status=exchange.status,
            duration_ms=round(seconds * 1000, 1),
            client=(exchange.scope.get("client") or ("",))[0],
            outcome=exchange.outcome,
            **{key: state[key] for key in LOGGED if key in state},
        )

    def _trace(self, exchange: Exchange, span: Span) -> None:
        if isinstance(span, NoSpan):
            return
        scope, state = exchange.scope, exchange.scope.get("state", {})
        route = getattr(scope.get("route"), "path", "unmatched")
        span.name(f"{scope['method']} {route}")
        span.note(
            http__request__method=scope["method"],
            http__route=route,
            http__response__status_code=exchange.status,
            ingress__request_id=exchange.request_id,
            ingress__outcome=exchange.outcome,
        )
        if "item_id" in state:
            span.note(ingress__item_id=state["item_id"])
        if exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.fail(exchange.outcome)


class Exchange:
    """One request and its response; keeps the connection usable when a body is refused before its end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.replayed = False
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        self.request_id = given if _SAFE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        self._receive = receive
        self._send = send
        length = headers.get("content-length", "0")
        self._large = "transfer-encoding" in headers or not length.isdigit() or int(length) > SMALL_BODY_BYTES
        self._unread = self._large

    @property
    def outcome(self) -> str:
        """`ok`, or the code of the problem that was answered."""
        if self.status == CLIENT_GONE:
            return "client_gone"
        return str(self.scope.get("state", {}).get("code", "ok"))

    @property
    def shown_path(self) -> str:
        """The path as it was sent, percent-encoded, so that it cannot break a line of the log."""
        path = self.scope.get("raw_path", b"")
        if _PLAIN_PATH.fullmatch(path):
            return str(path, "ascii")
        return quote(path, safe="/%:@!$&'()*+,;=~")[:500]

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        """Pass a response on; after a refusal in the middle of a body, close, but not abruptly."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self.request_id
            self.replayed = REPLAYED in headers
            if self._unread:
                headers["Connection"] = "close"
        elif self._unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Throw away some of what is still coming, so that the client reads the answer before a reset."""
        thrown_away = 0
        try:
            async with asyncio.timeout(LINGER_S):
                while self._unread and thrown_away < LINGER_BYTES:
                    thrown_away += len((await self.receive()).get("body", b""))
        except TimeoutError:
            self._unread = False
