"""Runs commands of the console script inside the test."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.testing import CliRunner


class Cli:
    """The commands of some modules."""

    def __init__(self, app: typer.Typer) -> None:
        self._app = app

    def run(self, *arguments: object, code: int = 0, given: str | None = None) -> Any:
        """Run a command that must end with this exit code; the result has `stdout` and `stderr`."""
        result = CliRunner().invoke(self._app, [str(one) for one in arguments], input=given)
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    def lines(self, *arguments: object, code: int = 0) -> list[list[str]]:
        """What a command prints, line by line, cut at the tabs."""
        return [line.split("\t") for line in self.run(*arguments, code=code).stdout.splitlines()]


def cli_of(*modules: str) -> Cli:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.callback()
    def _root() -> None:
        """Commands under test."""

    for module in modules:
        import_module(f"packages.cli.{module}").register(app)
    return Cli(app)
