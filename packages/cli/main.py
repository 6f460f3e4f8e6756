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
    "check": Entry("packages.cli.check", "Print everything that is wrong with this installation."),
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


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """From uploaded and scraped tables to clean Zarr datasets on S3."""
    if show_version:
        typer.echo(_version())
        raise typer.Exit


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("zarr-fuse-ingress")
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    app()
