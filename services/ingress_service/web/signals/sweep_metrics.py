"""What Prometheus is told about sweeps, from what the watch last read; no request to the storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from packages.common.last_sweep import LastSweep

NEVER = 0.0


class SweepCollector(Collector):
    """When the last sweep ended, and how many items came to which end.

    `last_sweep` gives None while nothing has been read yet, and `(None,)` where no sweep has ever ended.
    """

    def __init__(self, last_sweep: Callable[[], tuple[LastSweep | None] | None]) -> None:
        self._last_sweep = last_sweep

    def describe(self) -> Iterator[Metric]:
        """The names alone, for the check that no two collectors share one."""
        yield from (_ended(), _items())

    def collect(self) -> Iterator[Metric]:
        """Nothing before the first look; then the time, and the counts of a sweep that there was."""
        ended, items = _ended(), _items()
        if (read := self._last_sweep()) is not None:
            sweep = read[0]
            ended.add_metric([], sweep.ended_at.timestamp() if sweep else NEVER)
            for end, count in sweep.items.items() if sweep else ():
                items.add_metric([end], count)
        yield from (ended, items)


def _ended() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "ingress_last_sweep_timestamp_seconds", "Time the last sweep ended; 0 where none ever has"
    )


def _items() -> GaugeMetricFamily:
    return GaugeMetricFamily("ingress_last_sweep_items", "Items of the last sweep by end", labels=["end"])
