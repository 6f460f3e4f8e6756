"""`ingress hash-password`: turns a password into what `BASIC_AUTH_USERS_JSON` may hold instead of it."""

from __future__ import annotations

import sys

import typer

from packages.cli.start import EXIT_USAGE, fail


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("hash-password")(hash_password)


def hash_password() -> None:
    """Ask for a password, or read one line from a pipe, and print its argon2id hash.

    Exit codes: 0 done, 2 no password was given.
    """
    from argon2 import PasswordHasher

    password = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise fail(["no password was given"], EXIT_USAGE)
    typer.echo(PasswordHasher().hash(password))


def _asked() -> str:
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer
