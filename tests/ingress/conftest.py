from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from tests.rigs.smtp import Inbox, mail_server

from .live import Service, running, settings_for
from .scrapper_rig import Rig, rig_at
from .scrapper_site import Site, running_site


@pytest.fixture(autouse=True, scope="module")
def _plain_logs() -> Iterator[None]:
    """Log lines go where pytest collects them, without structlog's pretty tracebacks."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One server for the tests of a module."""
    with running(settings_for(tmp_path_factory.mktemp("service"))) as started:
        yield started


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts servers with settings of their own."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(running(settings_for(tmp_path, **changes)))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server that takes everything."""
    with mail_server(Inbox()) as started:
        yield started


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that scrapers may ask."""
    with running_site() as started:
        yield started


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A configuration and a queue for scrapers."""
    return rig_at(tmp_path)
