from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from tests.cli.runner import Cli, cli_of
from tests.extractor.site import Site, build_site


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """No log lines among what commands print, and the logging of the other tests unchanged."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with capture_logs():
        yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    found = build_site(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_PATH", str(found.settings.config_path))
    monkeypatch.setenv("S3_STORE_URL", found.settings.s3_store_url)
    monkeypatch.setenv("S3_QUEUE_URL", found.settings.s3_queue_url)
    return found


@pytest.fixture
def cli() -> Cli:
    return cli_of("sweep", "queue", "push", "housekeeping")
