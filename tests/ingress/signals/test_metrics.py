from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from packages.common.last_sweep import LastSweep, note_sweep
from services.ingress_service.web.problems import ANSWERS, FRAMEWORK
from services.ingress_service.web.signals.sweep_metrics import SweepCollector
from tests.ingress.live import CSV, ROOT, Service
from tests.ingress.test_health import watched

UPLOADS = {"/api/v1/weather", "/api/v1/weather/{node_path:path}"}
KNOWN_OUTCOMES = {"accepted", "validated", "replayed", "client_gone", "internal", "request_malformed"}
KNOWN_OUTCOMES |= {kind.kind for kind in ANSWERS} | {code for _, code, _ in FRAMEWORK}


def samples(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = service.client.get("/metrics", auth=None).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(service: Service, name: str, **labels: str) -> float:
    return samples(service)[name, frozenset(labels.items())]


def test_uploads_are_counted_by_endpoint_and_outcome(start: Callable[..., Service]) -> None:
    service = start()
    watched(service)
    service.post()
    service.post()
    service.post("/api/v1/weather?validate=only")
    service.post(content=b"")
    service.post("/api/v1/weather/nowhere")
    for outcome, count in {"accepted": 2, "validated": 1, "payload_empty": 1, "node_unknown": 1}.items():
        assert value(service, "ingress_uploads_total", endpoint="weather", outcome=outcome) == count
    assert value(service, "ingress_items_accepted_total", endpoint="weather") == 2
    assert value(service, "ingress_item_bytes_sum", endpoint="weather") == 2 * len(CSV)
    assert value(service, "ingress_received_bytes_total", endpoint="weather") == 3 * len(CSV)
    assert value(service, "ingress_queue_items", endpoint="weather", state="accepted") == 2
    assert 0 <= value(service, "ingress_queue_oldest_seconds") < 60
    assert value(service, "ingress_queue_counted_timestamp_seconds") > 1.7e9
    assert value(service, "ingress_uploads_in_flight") == 0
    assert value(service, "ingress_storage_seconds_count", operation="put", outcome="ok") >= 4
    assert value(service, "process_resident_memory_bytes") > 1e6


def test_no_caller_can_add_labels(start: Callable[..., Service]) -> None:
    service = start()
    watched(service)
    service.post()
    before = len(samples(service))
    for number in range(30):
        service.post(f"/api/v1/weather/x{number}")
        service.client.get(f"/nowhere/{number}")
        service.client.get(f"/api/v1/items/weather/{number}", auth=(f"u{number}", "p"))
        service.client.request("PROPFIND" if number % 2 else f"ODD{number}", "/health")
        service.client.delete(f"/api/v1/items/weather/y{number}", auth=ROOT)
        service.post(f"/api/v1/weather?validate=v{number}", headers={"Content-Type": f"text/x{number}"})
    after = samples(service)
    assert len(after) - before < 150
    names = {label for _, labels in after for label in labels}
    routes = {text for key, text in names if key == "route"}
    assert routes == {"unmatched", "/health", *UPLOADS, "/api/v1/items/{item_id:path}", "/metrics"}
    assert {text for key, text in names if key == "outcome"} - {"ok"} <= KNOWN_OUTCOMES
    assert {text for key, text in names if key == "method"} <= {"GET", "POST", "DELETE", "other"}
    configured = {"weather", "nested", "grid", "strict", "doc", "private", "other"}
    assert {text for key, text in names if key == "endpoint"} <= configured


def test_end_of_the_last_sweep_is_told_once_the_queue_has_been_looked_at(
    start: Callable[..., Service],
) -> None:
    service = start()
    watched(service)
    assert value(service, "ingress_last_sweep_timestamp_seconds") == 0
    ended_at = datetime(2026, 11, 20, 8, tzinfo=UTC)
    found = service.app.state.ingress.watch
    note_sweep(found.storage, LastSweep(ended_at=ended_at, items={"processed": 2, "failed": 1}))
    found.look()
    assert value(service, "ingress_last_sweep_timestamp_seconds") == ended_at.timestamp()
    assert value(service, "ingress_last_sweep_items", end="failed") == 1


def test_nothing_is_said_of_sweeps_before_the_storage_was_read() -> None:
    ended, items = SweepCollector(lambda: None).collect()
    assert (ended.samples, items.samples) == ([], [])
