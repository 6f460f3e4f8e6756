"""Prometheus metrics of one application; each has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.ingress_service.web.limits import Gate

BODY_BUCKETS = tuple(float(1 << power) for power in range(10, 31, 2))


class Metrics:
    """Counts requests by route, and accepted items and bytes by endpoint."""

    def __init__(self, gate: Gate) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        labels = ("route", "method", "status")
        self._requests = Histogram(
            "ingress_request_seconds", "Duration of requests", labels, registry=registry
        )
        self._accepted = Counter("ingress_items_accepted", "Items accepted", ("endpoint",), registry=registry)
        self._bytes = Histogram(
            "ingress_item_bytes", "Size of items", ("endpoint",), registry=registry, buckets=BODY_BUCKETS
        )
        self._woken = Counter(
            "ingress_wake_ups", "Events posted to Airflow", ("delivered",), registry=registry
        )
        uploads = Gauge("ingress_uploads_in_flight", "Uploads being handled", registry=registry)
        uploads.set_function(lambda: gate.uploads)
        held = Gauge("ingress_bytes_in_flight", "Body bytes held in memory", registry=registry)
        held.set_function(lambda: gate.bytes_held)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        shown = method if method in {"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"} else "other"
        self._requests.labels(route, shown, str(status)).observe(seconds)

    def accepted(self, endpoint: str, size_bytes: int) -> None:
        """Count one accepted item."""
        self._accepted.labels(endpoint).inc()
        self._bytes.labels(endpoint).observe(size_bytes)

    def woken(self, *, delivered: bool) -> None:
        """Count one attempt to wake the sweep."""
        self._woken.labels("yes" if delivered else "no").inc()

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
