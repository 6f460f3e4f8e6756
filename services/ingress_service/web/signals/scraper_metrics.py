"""What Prometheus is told about scrapers, from what this process last saw of their records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.ingress_service.scrapper.status import ScrapperStatus

STATES = ("accepted", "duplicate", "unchanged", "failed")


class ScraperCollector(Collector):
    """Gauges that are worked out when they are asked for; no request to the storage."""

    def __init__(self, status: Callable[[], Sequence[ScrapperStatus]]) -> None:
        self._status = status

    def describe(self) -> Iterator[Metric]:
        """The names alone, for the check that no two collectors share one."""
        yield from self._families().values()

    def collect(self) -> Iterator[Metric]:
        """The state of every scraper and of every request."""
        families = self._families()
        for one in self._status():
            for state in STATES:
                count = sum(run.state == state for run in one.last_runs)
                families["last"].add_metric([one.name, state], count)
            families["missed"].add_metric([one.name], len(one.missed))
            families["running"].add_metric([one.name], one.running)
            if succeeded_at := _succeeded_at(one):
                families["success"].add_metric([one.name], succeeded_at.timestamp())
            for run in one.requests:
                labels = [one.name, run.row or run.request, str(run.page), run.kind or ""]
                families["request"].add_metric(labels, run.state != "failed")
        yield from families.values()

    def _families(self) -> dict[str, GaugeMetricFamily | CounterMetricFamily]:
        scraper, request = ["scraper"], ["scraper", "request", "page", "kind"]
        return {
            "last": _gauge("last_requests", "Requests of the last firing by state", [*scraper, "state"]),
            "missed": _gauge("missed_windows", "Fire times without a fetch", scraper),
            "running": _gauge("running", "Whether a firing is under way in this process", scraper),
            "success": _gauge("last_success_timestamp_seconds", "End of the last good firing", scraper),
            "request": _gauge("request_ok", "1 where the last run of a request did not fail", request),
        }


def _gauge(name: str, description: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ingress_scraper_{name}", description, labels=labels)


def _succeeded_at(status: ScrapperStatus) -> datetime | None:
    """When the last firing ended of which no request failed."""
    good = (one.finished_at for one in status.firings if one.complete and not one.counts.get("failed"))
    return next(good, None)
