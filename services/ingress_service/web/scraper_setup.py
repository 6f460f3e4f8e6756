"""Builds the scrapers of a configuration; the one place where they meet the checks that uploads get."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import structlog

from packages.common.errors import ConfigurationError
from packages.common.models.configuration_model import Configuration, Scrapper
from packages.common.notify import notifiers_of
from packages.common.queue import Queue
from packages.common.settings import Settings
from services.ingress_service.scrapper.alerts import Alerts
from services.ingress_service.scrapper.credentials import clear_text, credentials_of
from services.ingress_service.scrapper.dialects import read_job
from services.ingress_service.scrapper.jobs import ScrapeJob
from services.ingress_service.scrapper.limits import HostLimits
from services.ingress_service.scrapper.records import Records
from services.ingress_service.scrapper.retries import Limits
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from services.ingress_service.scrapper.scraping import Check, OnStored
from services.ingress_service.web.uploads.checks import PayloadCheck
from services.ingress_service.web.uploads.content import supported_type
from services.ingress_service.web.uploads.inlets import Inlet

log = structlog.get_logger("ingress")


def build_scheduler(
    settings: Settings,
    configuration: Configuration,
    inlets: Mapping[str, Inlet[Scrapper]],
    queue: Queue,
    on_stored: OnStored | None = None,
) -> ScrapperScheduler:
    """The scrapers; `ConfigurationError` names every variable of credentials that is not there."""
    scrappers = [inlet.target for inlet in inlets.values()]
    require_credentials(scrappers)
    for scrapper in scrappers:
        for warning in clear_text(scrapper):
            log.warning(warning)
    password = settings.smtp_password.get_secret_value() if settings.smtp_password is not None else None
    records = Records(queue.storage)
    alerts = Alerts(notifiers_of(configuration.configuration, password), records)
    hosts = HostLimits(settings.scrape_host_concurrency, settings.scrape_host_per_second)
    job = ScrapeJob(queue, check_of(inlets), limits_of(settings), on_stored, hosts=hosts)
    return ScrapperScheduler([read_job(scrapper) for scrapper in scrappers], job, records, alerts)


def limits_of(settings: Settings) -> Limits:
    """What one request of a scraper may cost: as many bytes as an upload."""
    return Limits(
        timeout_s=settings.scrape_timeout_s,
        max_bytes=settings.max_decompressed_bytes,
        max_received_bytes=settings.max_upload_bytes,
    )


def check_of(inlets: Mapping[str, Inlet[Scrapper]]) -> Check:
    """Checks an answer as an upload to the scraper's node is checked."""

    def check(scrapper: Scrapper, content_type: str, pieces: Iterator[bytes]) -> str:
        kind = supported_type(content_type)
        checking = PayloadCheck(
            kind,
            inlets[scrapper.name].dataset_schema(""),
            extracted=scrapper.is_extracted,
            on_bad_rows=scrapper.bad_rows_at_merge,
        )
        for piece in pieces:
            checking.feed(piece)
        checking.finish()
        return kind

    return check


def require_credentials(scrappers: list[Scrapper]) -> None:
    """Raise `ConfigurationError` with every variable that some scraper names and the environment lacks."""
    problems: list[str] = []
    for scrapper in scrappers:
        try:
            credentials_of(scrapper, os.environ)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
