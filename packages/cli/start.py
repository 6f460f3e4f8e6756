"""What every command begins with: settings, logging, and errors that end it."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from packages.common.errors import ConfigurationError
from packages.common.logging_setup import configure_logging
from packages.common.settings import Settings, load_settings

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_TROUBLE = 4


def settings_or_exit() -> Settings:
    """The settings in force, with logging set up by them; ends the command where they are wrong."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        raise fail(error.problems, EXIT_USAGE) from None
    configure_logging(settings.log_level, settings.log_format)
    return settings


def fail(problems: Iterable[str], code: int) -> typer.Exit:
    """Say what is wrong on stderr; the exit to raise."""
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    return typer.Exit(code)
