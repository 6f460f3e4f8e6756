"""`ingress schema`: what is wrong with a schema, what it may hold, and what a change of it means."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from packages.cli.start import EXIT_REFUSED, EXIT_USAGE, fail
from zarr_fuse.schema import NodeSchema, SchemaWarning, deserialize
from zarr_fuse.schema.json_schema import document_schema
from zarr_fuse.schema.source import check as problems_of
from zarr_fuse.schema_diff import Change, compare

SHOWN_CHARACTERS = 60

schema_app = typer.Typer(no_args_is_help=True, help="Check schemas, and see what a change of one means.")

SchemaFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(schema_app, name="schema")


@schema_app.command("check")
def check(files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True)]) -> None:
    """Print every error and warning with its place in the file.

    Exit codes: 0 no error, 1 some error.
    """
    wrong = sum(_check_one(path) for path in files)
    raise typer.Exit(EXIT_REFUSED if wrong else 0)


@schema_app.command("json")
def json_schema() -> None:
    """Print the JSON Schema (draft 2020-12) of schema files, for editors."""
    typer.echo(json.dumps(document_schema(), indent=2, ensure_ascii=False))


@schema_app.command("diff")
def diff(
    old: SchemaFile,
    new: SchemaFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every difference, and what it means for a store that was made with the old schema.

    Exit codes: 0 the store opens with the new schema, 1 it refuses it, 2 one of the files is no schema.
    """
    changes = compare(_read(old), _read(new))
    compatible = all(change.is_compatible for change in changes)
    if as_json:
        document = {"compatible": compatible, "changes": [asdict(change) for change in changes]}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_changes(changes)
    raise typer.Exit(0 if compatible else EXIT_REFUSED)


def _check_one(path: Path) -> int:
    """Print what there is to say about a file; the number of errors."""
    found = problems_of(path)
    for problem in found:
        typer.echo(f"{problem.severity:7}  {_one_line(problem.message)}")
    errors = sum(problem.severity == "error" for problem in found)
    if not errors:
        typer.echo(f"ok       {path}")
    return errors


def _read(path: Path) -> NodeSchema:
    errors = [_one_line(problem.message) for problem in problems_of(path) if problem.severity == "error"]
    if errors:
        raise fail(errors, EXIT_USAGE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        return deserialize(path)


def _print_changes(changes: Sequence[Change]) -> None:
    if not changes:
        typer.echo("the schemas say the same", err=True)
    elif Console().is_terminal:
        Console().print(_table(changes))
    else:
        for change in changes:
            typer.echo("\t".join(_texts(change)))


def _table(changes: Sequence[Change]) -> Table:
    table = Table(*(Column(title, overflow="fold") for title in ("verdict", "place", "old", "new", "why")))
    for change in changes:
        table.add_row(*map(Text, _texts(change)), style=None if change.is_compatible else "red")
    return table


def _texts(change: Change) -> list[str]:
    verdict = "compatible" if change.is_compatible else "breaking"
    reason = f"{change.effect}: {change.reason}" if change.is_compatible else change.reason
    return [verdict, change.place, _shown(change.old), _shown(change.new), reason]


def _shown(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return ""
    text = _one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split())
