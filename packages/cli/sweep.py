"""`ingress sweep`: what the DAG does, without Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from packages.cli.start import EXIT_TROUBLE, EXIT_USAGE, fail, settings_or_exit
from packages.common.errors import ConfigurationError, IngressError
from packages.common.settings import Settings
from services.extractor_service.report import SweepReport
from services.extractor_service.sweep import sweep as run_sweep

EXIT_ITEMS_FAILED = 3
ITEMS_SHOWN = 100


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sweep")(sweep)


def sweep(
    once: Annotated[bool, typer.Option("--once", help="Sweep once instead of until Ctrl-C.")] = False,
    endpoint: Annotated[
        list[str] | None, typer.Option("--endpoint", help="Only items of this endpoint; may be repeated.")
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds from one sweep to the next.")] = 10.0,
) -> None:
    """Merge everything that was accepted into its stores and settle it.

    With --once the exit code tells the end: 0 all merged, 2 the configuration is wrong, 3 some items failed,
    4 transient trouble (the items stay accepted).
    """
    settings = settings_or_exit()
    if once:
        raise typer.Exit(_sweep_once(settings, endpoint))
    try:
        while True:
            _sweep_once(settings, endpoint)
            time.sleep(interval)
    except KeyboardInterrupt:
        typer.echo("stopped")


def _sweep_once(settings: Settings, endpoints: list[str] | None) -> int:
    """One sweep and its summary; the exit code that it means."""
    try:
        with _progress() as on_progress:
            report = run_sweep(settings, endpoints=endpoints, on_progress=on_progress)
    except ConfigurationError as error:
        return fail(error.problems, EXIT_USAGE).exit_code
    except IngressError as error:
        return fail([str(error)], EXIT_TROUBLE).exit_code
    for line in _summary(report):
        typer.echo(line)
    if report.failed:
        return EXIT_ITEMS_FAILED
    return EXIT_TROUBLE if report.has_trouble else 0


def _summary(report: SweepReport) -> Iterator[str]:
    for one in report.failures[:ITEMS_SHOWN]:
        yield f"{'waits' if one.transient else 'failed'}\t{one.item_id}\t{one.kind}: {one.message}"
    for sentence in report.trouble:
        yield f"trouble\t{sentence}"
    counts = {name: count for name, count in report.counts().items() if count}
    yield ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to do"


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("sweeping"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("sweep", total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)
