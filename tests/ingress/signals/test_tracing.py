from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from packages.common.keys import ItemState
from services.ingress_service.web.signals import tracing
from tests.ingress.live import CSV_TYPE, Service, running, settings_for

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def carried(service: Service) -> list[str | None]:
    """The trace context of each item."""
    found = [service.queue.metadata(item) for item in service.queue.items(ItemState.ACCEPTED)]
    return [metadata.traceparent if metadata is not None else None for metadata in found]


def test_a_trace_context_is_carried_into_the_item(start: Callable[..., Service]) -> None:
    service = start()
    service.post(headers={**CSV_TYPE, "traceparent": TRACEPARENT})
    assert carried(service) == [TRACEPARENT]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
    ],
)
def test_what_is_no_trace_context_is_dropped(service: Service, header: str) -> None:
    service.queue.storage.delete(list(service.stored_keys()))
    assert service.post(headers={**CSV_TYPE, "traceparent": header}).status_code == 202
    assert carried(service) == [None]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2:3_4", True), ("x" * 129, False), ("a b", False), ('"}\tevil', False), ("", False)],
)
def test_a_sane_request_id_comes_back_and_any_other_is_replaced(
    service: Service, given: str, kept: bool
) -> None:
    answer = service.client.get("/health", headers={"X-Request-ID": given})
    returned = answer.headers["x-request-id"]
    assert (returned == given) is kept
    assert 0 < len(returned) <= 128


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP collector on loopback: its address, and the spans it has got."""
    message = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = message.ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def test_spans_of_request_and_storage_reach_the_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (address, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with running(settings_for(tmp_path)) as service:
            answer = service.post(headers={**CSV_TYPE, "traceparent": TRACEPARENT})
            assert answer.status_code == 202
            refused = service.post(content=b"", headers={**CSV_TYPE, "traceparent": TRACEPARENT})
            assert refused.status_code == 406
            handed_on = carried(service)[0]
    mine = [span for span in spans if span.trace_id.hex() == TRACE]
    request = next(span for span in mine if attributes(span)["http.response.status_code"] == 202)
    assert request.name == "POST /api/v1/weather"
    assert request.parent_span_id.hex() == PARENT
    assert attributes(request)["ingress.item_id"] == answer.json()["item_id"]
    assert attributes(request)["ingress.request_id"] == answer.headers["x-request-id"]
    assert handed_on == f"00-{TRACE}-{request.span_id.hex()}-01"
    below = [span.name for span in mine if span.parent_span_id == request.span_id]
    assert below
    assert all(name.startswith("storage ") for name in below)
    outcomes = {attributes(span).get("ingress.outcome") for span in mine}
    assert {"ok", "payload_empty"} <= outcomes


def attributes(span: Any) -> dict[str, Any]:
    values = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    return {"http.response.status_code": 0} | values


def test_tracing_without_the_extra_is_a_warning_that_names_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "services.ingress_service.web.signals.otel", None)
    found = tracing.build_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert isinstance(found, tracing.NoTracing)
    assert "the extra 'telemetry' is not installed" in caplog.text


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}]
)
def test_nothing_is_traced_unless_asked_for(environment: dict[str, str]) -> None:
    assert isinstance(tracing.build_tracing(environment), tracing.NoTracing)
