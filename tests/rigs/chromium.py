"""A real browser: Debian's Chromium, driven through playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.rigs.debian import RigUnavailableError, require_packages

PACKAGES = ("chromium", "fonts-dejavu-core")
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--disable-gpu", "--disable-background-networking"]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless browser for the length of the block; what is missing is installed from Debian's packages.

    Raises:
        RigUnavailableError: not-root, no-apt or install-failed.
    """
    if not CHROMIUM.exists():
        require_packages(PACKAGES, (str(CHROMIUM),))
    if not CHROMIUM.exists():
        raise RigUnavailableError(f"install-failed: there is no {CHROMIUM}")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *as_root])
        try:
            yield browser
        finally:
            browser.close()
