"""What scrapers are about to do, in lines: their next fire times, and the requests that go with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from packages.common.errors import ConfigurationError, IngressError
from packages.common.models.configuration_model import Configuration, Scrapper
from packages.common.settings import Settings
from services.ingress_service.errors import NodeUnknownError
from services.ingress_service.scrapper.credentials import clear_text, credentials_of
from services.ingress_service.scrapper.dialects import read_job
from services.ingress_service.scrapper.model import Job
from services.ingress_service.scrapper.requests import render, shown_url
from services.ingress_service.scrapper.schedule import fire_times
from services.ingress_service.web.setup import read_schema
from services.ingress_service.web.uploads.inlets import Inlet

TIMES_SHOWN = 3
REQUESTS_SHOWN = 10


def plan_lines(job: Job, now: datetime | None = None) -> Iterator[str]:
    """The next three fire times, each with its requests; raises `PlanError` where they cannot be made."""
    for fired_at in islice(fire_times(job, now or datetime.now(UTC)), TIMES_SHOWN):
        local = fired_at.astimezone(job.scrapper.zone)
        yield f"{local:%Y-%m-%d %H:%M} {job.scrapper.timezone}"
        yield from (f"  {line}" for line in request_lines(job, fired_at, REQUESTS_SHOWN))


def request_lines(job: Job, fired_at: datetime, limit: int | None = None) -> Iterator[str]:
    """The requests of one firing; values of parameters that are named like secrets are hidden."""
    requests = render(job, fired_at)
    yield from (f"{request.method} {shown_url(request.url)}" for request in requests[:limit])
    if limit is not None and len(requests) > limit:
        yield f"… and {len(requests) - limit} more"


def problems_of(scrapper: Scrapper) -> list[str]:
    """What would keep a scraper from fetching anything, or from storing what it fetched."""
    problems = _problems_of_node(scrapper)
    try:
        credentials_of(scrapper, os.environ)
    except ConfigurationError as error:
        problems += error.problems
    try:
        list(plan_lines(read_job(scrapper)))
    except IngressError as error:
        problems.append(str(error))
    return problems


def _problems_of_node(scrapper: Scrapper) -> list[str]:
    try:
        Inlet(scrapper, read_schema(scrapper)).dataset_schema("")
    except NodeUnknownError as error:
        return [f"target_node: {error}"]
    except ConfigurationError:
        pass  # the finding about its schema says so
    return []


def details_of(scrapper: Scrapper) -> tuple[str, ...]:
    """Warnings first, then what the scraper is about to do."""
    warnings = [f"warning: {warning}" for warning in clear_text(scrapper)]
    return (*warnings, *plan_lines(read_job(scrapper)))


def problems_of_mail(configuration: Configuration, settings: Settings) -> list[str]:
    """What would keep mails and webhooks from being sent."""
    from packages.common.notify import notifiers_of

    section = configuration.configuration
    password = settings.smtp_password
    try:
        notifiers_of(section, None)
    except ConfigurationError as error:
        return error.problems
    if section is not None and section.smtp is not None and section.smtp.enabled:
        if not section.smtp.recipients:
            return ["configuration.smtp: notify_to names nobody"]
        if section.smtp.username and password is None:
            return ["configuration.smtp has a username, but SMTP_PASSWORD is empty"]
    return []
