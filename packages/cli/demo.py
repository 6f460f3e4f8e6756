"""`ingress demo`: the whole product on this machine, with sample data, on loopback and in one folder."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.text import Text

from packages.cli.demo_airflow import AirflowApi, prepare_airflow, start_airflow
from packages.cli.demo_children import Children, DemoError
from packages.cli.demo_place import DemoPlace, open_place
from packages.cli.demo_report import print_report
from packages.cli.demo_samples import IngressApi, Upload

READY_TIMEOUT_S = 150.0
MERGE_TIMEOUT_S = 180.0
WIDTH_OF_FILES = 140
EXIT_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo")(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after printing instead of staying up.")] = False,
    port: Annotated[int, typer.Option(help="Port of the ingress.")] = 8000,
    airflow_port: Annotated[int, typer.Option(help="Port of the Airflow UI.")] = 8080,
    folder: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".demo"),
) -> None:
    """Start ingress and Airflow on this machine, load the sample data and show what became of it."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES)
    for interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(interruption, signal.default_int_handler)
    try:
        run(console, open_place(folder, port, airflow_port), once=once)
    except (DemoError, httpx.HTTPError) as error:
        console.print(Text.assemble(("The demo ended: ", "bold red"), str(error)), soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        console.print("Everything that was started has ended.")


def run(console: Console, place: DemoPlace, *, once: bool) -> None:
    """The story of a demo; everything it starts has ended when it returns."""
    ingress, airflow = IngressApi(place), AirflowApi(place)
    with Children(place.folder / "logs", place.environment(), place.folder) as children:
        with _step(console, "Starting the ingress and preparing Airflow"):
            children.start("ingress", [sys.executable, "-m", "services.ingress_service.main"])
            prepare_airflow(children, place)
            start_airflow(children)
            children.wait_until(ingress.is_ready, "the ingress", READY_TIMEOUT_S)
        with _step(console, "Uploading the sample data"):
            uploads = list(ingress.upload_samples())
        with _step(console, "Waiting for Airflow to be healthy"):
            children.wait_until(airflow.is_ready, "Airflow", READY_TIMEOUT_S)
        with _step(console, "Merging in a run of the sweep DAG"):
            _merge(children, ingress, airflow, uploads)
        print_report(console, place, uploads)
        if not once:
            console.print("Everything stays up until Ctrl-C.")
            with suppress(KeyboardInterrupt):
                children.wait_for_interrupt()


def _merge(children: Children, ingress: IngressApi, airflow: AirflowApi, uploads: list[Upload]) -> None:
    run_id = airflow.trigger_sweep()

    def is_settled() -> bool:
        with suppress(httpx.TimeoutException):
            for upload in uploads:
                ingress.follow(upload)
            if airflow.run_state(run_id) == "failed":
                raise DemoError(f"the run {run_id} of the sweep DAG failed; its log is in the Airflow UI")
        return all(upload.is_settled for upload in uploads)

    children.wait_until(is_settled, "the sample data to be merged", MERGE_TIMEOUT_S)


@contextmanager
def _step(console: Console, doing: str) -> Iterator[None]:
    started_at = time.monotonic()
    with console.status(f"{doing} …"):
        yield
    console.print(f"[green]✓[/] {doing} ({time.monotonic() - started_at:.0f} s)", highlight=False)
