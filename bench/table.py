"""Results as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from bench.results import Result


def results_table(results: Iterable[Result]) -> Table:
    """One row a case; red numbers miss their target."""
    table = Table(caption="seconds: best round; several updates of one handle: median after the first")
    columns = (
        "engine",
        "processor",
        "fsync",
        "floor",
        "processor",
        "× floor",
        "xarray",
        "requests",
        "chunks",
        "peak / frame",
    )
    table.add_column("case", no_wrap=True)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for one in results:
        case = one.case
        missed = {name for name, (found, limit) in one.verdicts().items() if found > limit}
        floor = case.sides[1]
        table.add_row(
            case.name,
            case.title,
            _shown(_seconds(one.seconds["engine"]), one, "seconds", missed),
            _seconds(one.cpu_s["engine"]),
            _seconds(one.fsync_s),
            f"{floor} {_seconds(one.seconds[floor])}",
            _seconds(one.cpu_s[floor]),
            _shown(f"{one.floor:.1f}", one, "floor", missed),
            _other(one),
            _shown(str(one.requests), one, "requests", missed),
            str(one.chunks),
            _shown("–" if one.memory is None else f"{one.memory:.1f}", one, "memory", missed),
        )
    return table


def facts_table(facts: dict[str, str]) -> Table:
    """The machine."""
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def _other(one: Result) -> str:
    ratio = one.compared("xarray")
    return "–" if ratio is None else f"{_seconds(one.seconds['xarray'])} ({ratio:.1f} ×)"


def _shown(text: str, one: Result, name: str, missed: set[str]) -> str:
    if name not in one.case.targets:
        return text
    colour = "red" if name in missed else "green"
    limit = one.case.targets[name]
    wanted = _seconds(limit) if name == "seconds" else f"{limit:g}"
    return f"[{colour}]{text}[/] (≤ {wanted})"
