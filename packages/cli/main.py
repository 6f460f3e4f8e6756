"""The console script `ingress`; each command's module is imported only when the command runs."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """Where a command lives, and its line in `ingress --help`."""

    module: str
    summary: str


COMMANDS = {
    "serve": Entry("packages.cli.serve", "Run the HTTP service and its scheduler."),
    "sweep": Entry("packages.cli.sweep", "Merge everything that was accepted into its stores and settle it."),
    "push": Entry("packages.cli.push", "Upload files; a line each says what became of it."),
    "queue": Entry("packages.cli.queue", "Look into the queue, and put things right by hand."),
    "housekeeping": Entry(
        "packages.cli.housekeeping",
        "Delete items past RETENTION_PROCESSED_DAYS and RETENTION_FAILED_DAYS, "
        "and leavings of aborted uploads.",
    ),
    "scrapper": Entry("packages.cli.scrapper", "Run scrapers by hand, and fetch what they missed."),
    "schema": Entry("packages.cli.schema", "Check schemas, and see what a change of one means."),
    "check": Entry("packages.cli.check", "Print everything that is wrong with this installation."),
    "hash-password": Entry(
        "packages.cli.hash_password",
        "Ask for a password, or read one line from a pipe, and print its argon2id hash.",
    ),
    "openapi": Entry("packages.cli.serve", "Print the OpenAPI document of this configuration."),
    "demo": Entry(
        "packages.cli.demo",
        "Start ingress and Airflow on this machine, load the sample data and show what became of it.",
    ),
}


class LazyGroup(TyperGroup):
    """Shows the commands of the table; replaces the one that is called by its real self."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Import the module of the command that is about to run."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:  # noqa: ANN401
    """The real command of this name, as its module registers it."""
    part = typer.Typer()
    import_module(COMMANDS[name].module).register(part)
    return typer.main.get_group(part).commands[name]


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From uploaded and scraped tables to clean Zarr datasets on S3."""


def version_text() -> str:
    """The installed version, or `unknown` in a bare source tree."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("zarr-fuse-ingress")
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    app()
