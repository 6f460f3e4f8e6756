"""What was measured of the ingress, as tables and as plain values."""

from __future__ import annotations

import statistics
from dataclasses import asdict
from typing import Any

from rich.table import Table

from bench.ingress import (
    MEMORY_TARGET,
    MIB,
    P99_TARGET,
    RATE_TARGETS,
    Report,
    cpu_ms,
    median_round,
    p99_s,
    per_second,
)
from bench.ingress_load import Seen


def rates_table(report: Report) -> Table:
    """One row a storage; red numbers miss their target."""
    table = Table(caption="the round in the middle of three; ms of processor time an upload")
    for column in (
        "storage",
        "uploads/s",
        "floor/s",
        "share",
        "p99",
        "floor p99",
        "times",
        "CPU",
        "floor CPU",
    ):
        table.add_column(column, justify="left" if column == "storage" else "right")
    for name, rounds in report.rates.items():
        one = median_round(rounds)
        table.add_row(
            name,
            f"{per_second(one.service):.0f}",
            f"{per_second(one.floor):.0f}",
            _coloured(f"{one.rate:.2f} (≥ {RATE_TARGETS[name]})", missed=one.rate < RATE_TARGETS[name]),
            f"{p99_s(one.service) * 1e3:.0f} ms",
            f"{p99_s(one.floor) * 1e3:.0f} ms",
            _coloured(f"{one.p99:.1f} (≤ {P99_TARGET:g})", missed=one.p99 > P99_TARGET),
            f"{cpu_ms(one.service):.2f} ms",
            f"{cpu_ms(one.floor):.2f} ms",
        )
    return table


def growth_table(report: Report) -> Table:
    """One row a kind of large upload."""
    table = Table()
    for column in ("large uploads", "resident before", "grew by", "seconds", "answers"):
        table.add_column(column, justify="right")
    for one in report.growths:
        grown = f"{one.bytes / MIB:.0f} MiB (≤ {MEMORY_TARGET / MIB:.0f})"
        answers = ", ".join(f"{count} × {status}" for status, count in one.statuses.items())
        before, seconds = f"{one.before_bytes / MIB:.0f} MiB", f"{one.seconds:.1f}"
        table.add_row(one.name, before, _coloured(grown, missed=one.bytes > MEMORY_TARGET), seconds, answers)
    return table


def has_missed(report: Report) -> bool:
    """Whether a target is missed, or an upload of a known good file was refused."""
    rounds = {name: median_round(found) for name, found in report.rates.items()}
    slow = any(one.rate < RATE_TARGETS[name] or one.p99 > P99_TARGET for name, one in rounds.items())
    large = any(one.bytes > MEMORY_TARGET or set(one.statuses) != {"202"} for one in report.growths)
    return slow or large


def plain(report: Report) -> dict[str, Any]:
    """Everything as values that JSON holds; of latencies the percentiles."""
    rates = {
        name: [{"service": _seen(one.service), "floor": _seen(one.floor)} for one in rounds]
        for name, rounds in report.rates.items()
    }
    return {"rates": rates, "memory": [asdict(one) | {"grown_bytes": one.bytes} for one in report.growths]}


def _seen(seen: Seen) -> dict[str, Any]:
    percentiles = statistics.quantiles(seen.latencies_s, n=100)
    kept = {"per_second": per_second(seen), "cpu_ms": cpu_ms(seen), "statuses": seen.statuses}
    return kept | {"p50_s": percentiles[49], "p99_s": percentiles[98]}


def _coloured(text: str, *, missed: bool) -> str:
    return f"[{'red' if missed else 'green'}]{text}[/]"
