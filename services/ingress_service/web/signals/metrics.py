"""Prometheus metrics of one application; each has a registry of its own.

No label takes a value that a caller can choose: routes are templates, endpoints those of the configuration,
outcomes the codes of `problems`. docs/reference/metrics.md lists all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache, partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from services.ingress_service.web.limits import Gate
from services.ingress_service.web.signals.queue_depth import COUNTED_STATES, OTHER, QueueDepth

SIZE_BUCKETS = tuple(float(1 << power) for power in range(10, 31, 2))
SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DONE = {200: "validated", 202: "accepted"}
METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})


class Metrics:
    """Counts requests by route, and uploads and their bytes by endpoint."""

    def __init__(self, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        self._of = cache(lambda metric, *labels: metric.labels(*labels))
        self.upload_routes: Mapping[str, str] = {}
        self._depth: QueueDepth | None = None
        self._requests = self._histogram(
            "ingress_request_seconds", "Duration of requests", ("route", "method", "status"), SECONDS_BUCKETS
        )
        self._uploads = self._counter(
            "ingress_uploads", "Upload requests by how they ended", ("endpoint", "outcome")
        )
        self._received = self._counter("ingress_received_bytes", "Body bytes received", ("endpoint",))
        self._accepted = self._counter("ingress_items_accepted", "Items accepted", ("endpoint",))
        self._bytes = self._histogram("ingress_item_bytes", "Size of items", ("endpoint",), SIZE_BUCKETS)
        self._storage = self._histogram(
            "ingress_storage_seconds", "Duration of storage calls", ("operation", "outcome"), SECONDS_BUCKETS
        )
        self._woken = self._counter("ingress_wake_ups", "Events posted to Airflow", ("delivered",))
        self.active = Gauge("ingress_requests_active", "Requests being handled", registry=self.registry)
        self._observe_gate(gate)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)

    def _observe_gate(self, gate: Gate) -> None:
        uploads = Gauge("ingress_uploads_in_flight", "Uploads being handled", registry=self.registry)
        uploads.set_function(lambda: gate.uploads)
        held = Gauge("ingress_bytes_in_flight", "Body bytes held in memory", registry=self.registry)
        held.set_function(lambda: gate.bytes_held)

    def observe_queue(self, depth: QueueDepth, endpoints: Collection[str]) -> None:
        """Show the counts of the queue by endpoint, and tell them of what is accepted."""
        self._depth = depth
        items = Gauge(
            "ingress_queue_items", "Items in the queue", ("endpoint", "state"), registry=self.registry
        )
        for label in [*endpoints, OTHER]:
            for state in COUNTED_STATES:
                items.labels(label, state).set_function(partial(depth.items, state, label))
        oldest = Gauge("ingress_queue_oldest_seconds", "Age of the oldest item", registry=self.registry)
        oldest.set_function(lambda: depth.oldest_age_s)
        counted = Gauge(
            "ingress_queue_counted_timestamp_seconds", "Time of the last count", registry=self.registry
        )
        counted.set_function(lambda: depth.counted_at.timestamp() if depth.counted_at else 0.0)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        shown = method if method in METHODS else "other"
        self._of(self._requests, route, shown, str(status)).observe(seconds)

    def upload(self, route: str, status: int, code: str, received_bytes: int) -> None:
        """Count one finished upload; `code` is that of the problem, if it ended with one."""
        endpoint = self.upload_routes.get(route)
        if endpoint is None:
            return
        self._of(self._uploads, endpoint, DONE.get(status, code) if code == "ok" else code).inc()
        self._of(self._received, endpoint).inc(received_bytes)

    def accepted(self, endpoint: str, size_bytes: int) -> None:
        """Count one accepted item."""
        self._of(self._accepted, endpoint).inc()
        self._of(self._bytes, endpoint).observe(size_bytes)
        if self._depth is not None:
            self._depth.accepted(endpoint)

    def storage(self, operation: str, outcome: str, seconds: float) -> None:
        """Count one finished call to the storage."""
        self._of(self._storage, operation, outcome).observe(seconds)

    def woken(self, *, delivered: bool) -> None:
        """Count one attempt to wake the sweep."""
        self._woken.labels("yes" if delivered else "no").inc()

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
