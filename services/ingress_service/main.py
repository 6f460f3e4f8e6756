"""The process of the ingress: `python -m services.ingress_service.main`, the same as `ingress serve`.

Exit codes: 0 after a stop by signal, 1 when the port cannot be had, 2 when the configuration is wrong.
"""

from __future__ import annotations

import ctypes
import errno
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from packages.common.errors import ConfigurationError
from packages.common.log_lines import GatheredLines
from packages.common.logging_setup import configure_logging
from packages.common.settings import Settings, load_settings
from services.ingress_service.heap import limit_arenas, set_start_apart
from services.ingress_service.web.app import create_app
from services.ingress_service.web.wire.connections import Connection

EXIT_STOPPED, EXIT_NO_PORT, EXIT_MISCONFIGURED = 0, 1, 2
DRAIN_S = 30
BACKLOG = 2048
M_ARENA_MAX = -8  # of malloc.h

log = structlog.get_logger("ingress")


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    _share_arenas()
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format, GatheredLines(sys.stderr))
        app = create_app(settings)
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        return EXIT_MISCONFIGURED
    return serve(app, settings)


def _share_arenas() -> None:
    """Let glibc's threads share two heaps: each of its own keeps what it once used, 30 MiB for 16 uploads."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def serve(app: FastAPI, settings: Settings) -> int:
    """Bind the port first, so that a taken one is an error message and not a traceback; then serve."""
    limit_arenas()
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        reason = (error.strerror or "").partition(" (")[0]
        sys.stderr.write(f"error: cannot listen on {settings.host}:{settings.port}: {reason}{_hint(error)}\n")
        return EXIT_NO_PORT
    host, port = listener.getsockname()[:2]
    log.info("listening", url=f"http://{host}:{port}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _already_stopping)
    set_start_apart()
    with listener:
        uvicorn.Server(server_config(app)).run([listener])
    return EXIT_STOPPED


def server_config(app: FastAPI) -> uvicorn.Config:
    """How uvicorn runs: with bounded connections; requests in flight may finish at a stop."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        timeout_graceful_shutdown=DRAIN_S,
        access_log=False,
        log_config=None,
        server_header=False,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _hint(error: OSError) -> str:
    return "; PORT chooses another port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else ""


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    """Receives the signal that uvicorn sends on after it has stopped the server; the exit code stays 0."""


if __name__ == "__main__":
    sys.exit(main())
