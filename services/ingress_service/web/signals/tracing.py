"""Trace context (W3C) of requests, and spans where OpenTelemetry is asked for.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or its form for traces) switches the export on; it needs the extra
`telemetry`. Without it a caller's `traceparent` is still carried into the item.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import Scope

TRACEPARENT = "traceparent"
SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger("ingress.tracing")


class Span(Protocol):
    """One piece of work as a trace shows it."""

    @property
    def traceparent(self) -> str | None:
        """What this work hands on, or None where nothing is traced."""

    def name(self, text: str) -> None:
        """Rename the work, once it is known better."""

    def note(self, **facts: str | int | float) -> None:
        """Add attributes; `__` in a name stands for a dot."""

    def fail(self, reason: str) -> None:
        """Mark the work as failed."""


class Tracing(Protocol):
    """Makes spans."""

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """The span of a request; it continues the trace that its headers name."""

    def storage(self, operation: str) -> AbstractContextManager[Span]:
        """The span of a call to the storage, below the one that is being worked on."""

    def stop(self) -> None:
        """Send what is left."""


class NoSpan:
    """Stands in where nothing is traced."""

    traceparent: str | None = None

    def name(self, text: str) -> None:
        """Nothing."""

    def note(self, **facts: str | int | float) -> None:
        """Nothing."""

    def fail(self, reason: str) -> None:
        """Nothing."""


class NoTracing:
    """Traces nothing."""

    _nothing = nullcontext(NoSpan())

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[Span]:  # noqa: ARG002
        """No span."""
        return self._nothing

    def storage(self, operation: str) -> AbstractContextManager[Span]:  # noqa: ARG002
        """No span."""
        return self._nothing

    def stop(self) -> None:
        """Nothing is left."""


def build_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """What the standard variables of OpenTelemetry ask for; a missing extra is a warning."""
    asked = any(environment.get(name) for name in SWITCHES)
    if not asked or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return NoTracing()
    try:
        from services.ingress_service.web.signals.otel import OtelTracing
    except ImportError as error:
        log.warning(
            "traces are asked for, but the extra 'telemetry' is not installed; nothing is exported",
            missing=error.name,
        )
        return NoTracing()
    return OtelTracing()


def valid_traceparent(header: str) -> str | None:
    """A `traceparent` of W3C Trace Context (level 1) as it came, or None."""
    return header if _VALID.fullmatch(header) else None


def hand_on(scope: Scope, span: Span) -> None:
    """Leave in the request the trace context that its item carries: the span's, else a valid given one."""
    headers = MutableHeaders(scope=scope)
    given = headers.get(TRACEPARENT)
    carried = span.traceparent or (valid_traceparent(given) if given is not None else None)
    if carried == given:
        return
    del headers[TRACEPARENT]
    if carried is not None:
        headers[TRACEPARENT] = carried
