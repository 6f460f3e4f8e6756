"""`ingress scrapper`: running scrapers by hand, and fetching what they missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from packages.cli.scrapper_plan import request_lines
from packages.cli.start import EXIT_REFUSED, EXIT_USAGE, fail, settings_or_exit
from packages.common.configuration import load_configuration
from packages.common.errors import ConfigurationError, IngressError
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.scrapper.dialects import read_job
from services.ingress_service.scrapper.history import Firing
from services.ingress_service.scrapper.model import Job
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from services.ingress_service.web.scraper_setup import build_scheduler
from services.ingress_service.web.setup import build_inlets

EXIT_SOME_FAILED = 3

scrapper_app = typer.Typer(no_args_is_help=True, help="Run scrapers by hand, and fetch what they missed.")

Name = Annotated[str, typer.Argument(help="Name of the scraper in the configuration.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the requests and make none.")]
Moment = Annotated[datetime | None, typer.Option(help="UTC.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(scrapper_app, name="scrapper")


@scrapper_app.command("ls")
def ls() -> None:
    """List the scrapers with their schedule, last firing, and how many windows they missed."""
    scheduler, _ = _scheduler(settings_or_exit())
    for status in scheduler.status():
        last = status.firings[0] if status.firings else None
        counts = last.counts.items() if last is not None else ()
        did = ", ".join(f"{count} {state}" for state, count in counts) or "never ran"
        when = f"{last.fired_at:%Y-%m-%dT%H:%M:%SZ}" if last is not None else "-"
        typer.echo("\t".join((status.name, status.cron, when, did, f"{len(status.missed)} missed")))


@scrapper_app.command("run")
def run(name: Name, dry_run: DryRun = False) -> None:
    """Run a scraper now, as if it fired now.

    Exit codes: 0 every request succeeded, 1 no such scraper, 2 the configuration is wrong, 3 some requests
    failed.
    """
    scheduler, jobs = _scheduler(settings_or_exit())
    job = _job(jobs, name)
    if dry_run:
        _print_requests(job, [datetime.now(UTC).replace(microsecond=0)])
        return
    with _progress(name) as on_progress:
        firing = scheduler.run_now(name, on_progress)
    _finish([firing])


@scrapper_app.command("backfill")
def backfill(
    name: Name,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, typer.Option(min=1, help="How many windows at most, the oldest first.")] = 100,
    dry_run: DryRun = False,
) -> None:
    """Run a scraper for the windows it missed or, with --since, for all its fire times from then on.

    What is stored already is not stored again. Exit codes as those of `run`.
    """
    scheduler, jobs = _scheduler(settings_or_exit())
    job = _job(jobs, name)
    windows = scheduler.windows(name, _utc(since), _utc(until))[:limit]
    if dry_run:
        _print_requests(job, windows)
        return
    with _progress(name) as on_progress:
        firings = scheduler.backfill(name, windows, on_progress)
    _finish(firings)


def _scheduler(settings: Settings) -> tuple[ScrapperScheduler, dict[str, Job]]:
    try:
        configuration = load_configuration(settings.config_path, schemas_dir=settings.schema_folder)
        inlets = build_inlets(configuration.active_scrappers)
        queue = Queue(ObjectStorage(settings.s3_queue_url, settings))
        scheduler = build_scheduler(settings, configuration, inlets, queue)
    except ConfigurationError as error:
        raise fail(error.problems, EXIT_USAGE) from None
    return scheduler, {name: read_job(inlet.target) for name, inlet in inlets.items()}


def _job(jobs: dict[str, Job], name: str) -> Job:
    if name not in jobs:
        known = ", ".join(jobs) or "none at all"
        raise fail([f"there is no scraper {name!r}; the configuration has {known}"], EXIT_REFUSED)
    return jobs[name]


def _print_requests(job: Job, windows: Sequence[datetime]) -> None:
    try:
        for fired_at in windows:
            typer.echo(f"{fired_at:%Y-%m-%dT%H:%M:%SZ}")
            for line in request_lines(job, fired_at):
                typer.echo(f"  {line}")
    except IngressError as error:
        raise fail([str(error)], EXIT_USAGE) from None


def _finish(firings: Sequence[Firing]) -> None:
    for firing in firings:
        for made in firing.runs:
            what = f"{made.kind}: {made.reason}" if made.state == "failed" else made.item_id or ""
            typer.echo("\t".join((made.state, made.request, made.row or "", what)))
    if not firings:
        typer.echo("nothing to do")
    if any(firing.failures for firing in firings):
        raise typer.Exit(EXIT_SOME_FAILED)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)
