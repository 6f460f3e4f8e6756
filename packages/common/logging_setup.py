"""One form for every log line, whoever writes it: structlog, the standard library, uvicorn, apscheduler."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, TextIO, TypeAlias

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor

from packages.common.log_lines import GatheredLines, LineLogger

LogFormat = Literal["text", "json"]

OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "apscheduler")
"""Loggers of libraries that may bring handlers of their own; their lines go through ours instead."""

CHATTY = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "botocore": logging.WARNING}


def _without_colours(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Uvicorn says some of its lines twice, the second time in colours."""
    event.pop("color_message", None)
    return event


SHARED: tuple[Processor, ...] = (
    merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)
FOREIGN: tuple[Processor, ...] = (*SHARED, structlog.stdlib.ExtraAdder(), _without_colours)
"""What becomes of a record of the standard library before it looks like structlog's."""
Stream: TypeAlias = TextIO | GatheredLines
_as_json = json.JSONEncoder(default=str).encode


def configure_logging(level: str = "INFO", fmt: LogFormat = "text", stream: Stream | None = None) -> None:
    """Send every log line of this process to `stream` (default: stderr), times in UTC with `Z`.

    `fmt="json"` writes one JSON object a line. Calling it again replaces what was set before.
    """
    stream, renderers = stream or sys.stderr, _renderers(fmt)
    structlog.configure(
        processors=[*SHARED, *renderers],
        logger_factory=partial(LineLogger, stream),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    _configure_foreign(level, renderers, stream)


def _configure_foreign(level: str, renderers: list[Processor], stream: Stream) -> None:
    """Let the loggers of the standard library, which libraries use, write the same."""
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=FOREIGN, processors=[remove_meta, *renderers])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, least in CHATTY.items():
        logging.getLogger(name).setLevel(least)


def _renderers(fmt: LogFormat) -> list[Processor]:
    if fmt == "text":
        return [_console()]
    as_json = structlog.processors.JSONRenderer(serializer=lambda event, **_: _as_json(event))
    return [structlog.processors.format_exc_info, as_json]


def _console() -> structlog.dev.ConsoleRenderer:
    """Lines without colours; tracebacks without the values of variables, which may be secrets."""
    return structlog.dev.ConsoleRenderer(
        colors=False,
        pad_event_to=0,
        pad_level=False,
        exception_formatter=structlog.dev.plain_traceback,
    )


@contextmanager
def bind_item(item_id: str) -> Iterator[None]:
    """Put `item_id` into every log line written inside, in this thread or task."""
    with bound_contextvars(item_id=item_id):
        yield
