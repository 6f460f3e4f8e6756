"""`ingress push`: uploads files and folders as any client would."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import httpx
import typer

from packages.cli.push_client import Answer, PushClient, Verdict
from packages.cli.push_files import PushFile, UnknownTypeError, find_files
from packages.cli.start import EXIT_REFUSED, EXIT_USAGE, fail

PASSWORD_VARIABLE = "INGRESS_PASSWORD"  # noqa: S105 - the name of a variable
GOOD = {Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.PROCESSED, Verdict.VALID}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("push")(push)


def push(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders that are walked.")],
    endpoint: Annotated[str, typer.Option(help="Path of the endpoint, or its last part below /api/v1/.")],
    node: Annotated[str, typer.Option(help="Node path below the endpoint.")] = "",
    url: Annotated[str, typer.Option(help="Address of the ingress.")] = "http://127.0.0.1:8000",
    user: Annotated[str, typer.Option(help=f"User; the password is asked, or {PASSWORD_VARIABLE}.")] = "",
    check_only: Annotated[bool, typer.Option("--check-only", help="Check, store nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the items are merged.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for one item.")] = 300.0,
    again: Annotated[
        bool, typer.Option("--again", help="Store what was pushed before once more, not as a duplicate.")
    ] = False,
) -> None:
    """Upload files; a line each says what became of it.

    Names tell the type, `.gz` and `.zst` the encoding. In folders, files of other types are left out. Exit
    codes: 0 all accepted or duplicates (with --wait: processed), 1 some refused or failed, 2 misuse.
    """
    try:
        files = find_files(paths)
    except UnknownTypeError as error:
        raise fail([str(error)], EXIT_USAGE) from None
    if not files:
        raise fail(["there is nothing to push"], EXIT_USAGE)
    with _client(url, user) as http:
        client = PushClient(http, endpoint, node, check_only=check_only, again=again)
        verdicts = [_push_file(client, file, timeout if wait else None) for file in files]
    if not set(verdicts) <= GOOD:
        raise typer.Exit(EXIT_REFUSED)


def _push_file(client: PushClient, file: PushFile, wait_s: float | None) -> Verdict:
    answer = client.push(file)
    if wait_s is not None and answer.state_url:
        answer = client.wait(answer, wait_s)
    _print(file, answer)
    return answer.verdict


def _print(file: PushFile, answer: Answer) -> None:
    typer.echo(
        "\t".join(part for part in (answer.verdict, str(file.path), answer.item_id, answer.text) if part)
    )
    for line in answer.details:
        typer.echo(f"\t{line}")


def _client(url: str, user: str) -> httpx.Client:
    try:
        return httpx.Client(base_url=url, auth=(user, _password(user)) if user else None, timeout=60)
    except httpx.InvalidURL as error:
        raise fail([f"{url} is no address: {error}"], EXIT_USAGE) from None


def _password(user: str) -> str:
    if ":" in user:
        problem = f"--user takes the name alone: a password is asked for, or taken from {PASSWORD_VARIABLE}"
        raise fail([problem], EXIT_USAGE)
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is not None:
        return password
    if not sys.stdin.isatty():
        raise fail([f"the password of {user} is missing: set {PASSWORD_VARIABLE}"], EXIT_USAGE)
    return str(typer.prompt(f"Password of {user}", hide_input=True, err=True))
