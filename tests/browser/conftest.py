from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from packages.cli.demo_place import AIRFLOW_ADMIN
from tests.browser.site import BrowserSite, running_site
from tests.rigs.chromium import running_browser
from tests.rigs.debian import RigUnavailableError

PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser; tests that need it are skipped where there is none."""
    try:
        with running_browser() as started:
            yield started
    except RigUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserSite]:
    """One deployment for all tests; it is only started where there is a browser."""
    with running_site(tmp_path_factory.mktemp("browser") / "site") as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has visited nothing yet."""
    opened = browser.new_context(viewport={"width": 1400, "height": 900})
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, site: BrowserSite) -> Page:
    """A page logged in as administrator."""
    return log_in(context, site, AIRFLOW_ADMIN, site.place.secrets.airflow_password)


def log_in(context: BrowserContext, site: BrowserSite, user: str, password: str) -> Page:
    """Log in through Airflow's own form."""
    page = context.new_page()
    page.goto(site.place.airflow_url)
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.get_by_role("button", name="Browse").wait_for()
    return page


def open_queue_page(page: Page, endpoint: str | None = None) -> FrameLocator:
    """Go to the page as an operator does: Browse, then its name, then one endpoint."""
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Ingress queue").click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="Ingress queue").wait_for()
    if endpoint is not None:
        frame.get_by_role("link", name=endpoint, exact=True).click()
        frame.get_by_role("heading", name=f"Failed · {endpoint}").wait_for()
    return frame
