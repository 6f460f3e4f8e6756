"""`ingress housekeeping`: removes what the queue need not keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from packages.cli.start import EXIT_TROUBLE, EXIT_USAGE, fail, settings_or_exit
from packages.common.errors import ConfigurationError, IngressError
from packages.common.wording import counted
from services.extractor_service.housekeeping import Removal, removals, remove


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("housekeeping")(housekeeping)


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
) -> None:
    """Delete items past RETENTION_PROCESSED_DAYS and RETENTION_FAILED_DAYS, and leavings of aborted uploads.

    Exit codes: 0 done, 2 the configuration is wrong, 4 trouble with the storage.
    """
    settings = settings_or_exit()
    try:
        found = _told(removals(settings), "would delete" if dry_run else "delete")
        count = sum(1 for _ in found) if dry_run else remove(settings, found)
    except ConfigurationError as error:
        raise fail(error.problems, EXIT_USAGE) from None
    except IngressError as error:
        raise fail([str(error)], EXIT_TROUBLE) from None
    typer.echo(f"{counted(count, 'object')} {'would be deleted' if dry_run else 'deleted'}")


def _told(found: Iterable[Removal], verb: str) -> Iterator[Removal]:
    for one in found:
        typer.echo(f"{verb}\t{one.key}\t{one.reason}")
        yield one
