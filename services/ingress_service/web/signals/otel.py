"""Spans through the OpenTelemetry SDK, exported over OTLP; imported only where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

DEFAULT_NAME = "zarr-fuse-ingress"
STOP_S = 5.0


class OtelSpan:
    """A span of the SDK."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """The context of this span in the form of W3C."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def name(self, text: str) -> None:
        """Rename the span."""
        self._span.update_name(text)

    def note(self, **facts: str | int | float) -> None:
        """Add attributes; `__` in a name stands for a dot."""
        for name, value in facts.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def fail(self, reason: str) -> None:
        """Set the status of the span to error."""
        self._span.set_status(Status(StatusCode.ERROR, reason))


class OtelTracing:
    """Exports spans to the collector that the `OTEL_…` variables name, in batches and in the background."""

    def __init__(self) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", DEFAULT_NAME)
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: name}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("ingress")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[OtelSpan]:
        """A server span below the caller's, if the headers name one."""
        parent = self._propagator.extract(dict(headers))
        with self._tracer.start_as_current_span("request", parent, SpanKind.SERVER) as span:
            yield OtelSpan(span)

    @contextmanager
    def storage(self, operation: str) -> Iterator[OtelSpan]:
        """A client span below the current one."""
        with self._tracer.start_as_current_span(f"storage {operation}", kind=SpanKind.CLIENT) as span:
            yield OtelSpan(span)

    def stop(self) -> None:
        """Send what is left, for a few seconds."""
        self._provider.force_flush(int(STOP_S * 1000))
        self._provider.shutdown()
