"""One form for every log line, whoever writes it: structlog, the standard library, uvicorn, apscheduler."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor

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
    structlog.stdlib.ExtraAdder(),
    _without_colours,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


# What no line shows of a record, each found by a look around.
for unused in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
    setattr(logging, unused, False)


def configure_logging(level: str = "INFO", fmt: LogFormat = "text", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (default: stderr), times in UTC with `Z`.

    `fmt="json"` writes one JSON object a line. Calling it again replaces what was set before.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(fmt))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, least in CHATTY.items():
        logging.getLogger(name).setLevel(least)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(fmt: LogFormat) -> logging.Formatter:
    renderers: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if fmt == "json":
        renderers += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    else:
        renderers.append(_console())
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=SHARED, processors=renderers)


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
