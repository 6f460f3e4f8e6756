from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .live import Service, running, settings_for


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
