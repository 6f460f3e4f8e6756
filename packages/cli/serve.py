"""`ingress serve` runs the HTTP service; `ingress openapi` prints what it would offer."""

from __future__ import annotations

import json

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("serve")(serve)
    app.command("openapi")(openapi)


def serve() -> None:
    """Run the HTTP service and its scheduler.

    It stops on SIGTERM or Ctrl-C, after the requests in flight. Exit codes: 0 stopped, 1 the port cannot be
    had, 2 the configuration is wrong.
    """
    from services.ingress_service.main import main

    raise typer.Exit(main())


def openapi() -> None:
    """Print the OpenAPI document of this configuration."""
    from packages.cli.start import EXIT_USAGE, fail, settings_or_exit
    from packages.common.errors import ConfigurationError
    from services.ingress_service.web.app import create_app

    settings = settings_or_exit()
    try:
        document = create_app(settings).openapi()
    except ConfigurationError as error:
        raise fail(error.problems, EXIT_USAGE) from None
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
