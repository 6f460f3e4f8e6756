"""Routes over the scrapers: what they did last and missed, run one now, fetch what was missed."""

from dataclasses import asdict
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request

from services.ingress_service.errors import ForbiddenError, ScraperUnknownError
from services.ingress_service.scrapper.status import ScrapperStatus
from services.ingress_service.web.answers import (
    Scraper,
    ScraperBackfill,
    ScraperList,
    ScraperRun,
    ScraperRuns,
)
from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import Ingress, ingress_of
from services.ingress_service.web.description.openapi import errors_of
from services.ingress_service.web.items.moments import Moment
from services.ingress_service.web.users import User

MAX_WINDOWS = 200

router = APIRouter(prefix="/api/v1/scrappers", tags=["scrapers"])
When = Annotated[Moment | None, Query(description="UTC without offset")]


@router.get("", responses=errors_of("list"))
async def list_scrapers(request: Request, user: Caller) -> ScraperList:
    """The scrapers whose items the caller may see, with their last runs and missed windows."""
    ingress = ingress_of(request)
    statuses = await anyio.to_thread.run_sync(ingress.scheduler.status)
    found = [
        Scraper.model_validate(_document(status))
        for status in statuses
        if user.may_read(ingress.scrapers[status.name].target)
    ]
    return ScraperList(scrappers=found)


@router.post("/{name}/run", responses=errors_of("scraper"))
async def run_scraper(request: Request, user: Caller, name: str) -> ScraperRuns:
    """Run a scraper now, and answer when it has finished."""
    ingress = _allowed(request, user, name)
    firing = await anyio.to_thread.run_sync(ingress.scheduler.run_now, name)
    return ScraperRuns(runs=[ScraperRun.model_validate(run.model_dump()) for run in firing.runs])


@router.post("/{name}/backfill", responses=errors_of("scraper"))
async def backfill_scraper(
    request: Request,
    user: Caller,
    name: str,
    since: When = None,
    until: When = None,
    limit: Annotated[int, Query(ge=1, le=MAX_WINDOWS, description="windows, the oldest first")] = 24,
) -> ScraperBackfill:
    """Run a scraper for windows that lie behind: the missed ones, or all fire times from `since` on.

    The requests are made as they would have been made then; what is stored already is not stored again.
    """
    ingress = _allowed(request, user, name)
    scheduler = ingress.scheduler
    windows = await anyio.to_thread.run_sync(scheduler.windows, name, since, until)
    firings = await anyio.to_thread.run_sync(scheduler.backfill, name, windows[:limit])
    return ScraperBackfill(
        runs=[ScraperRun.model_validate(run.model_dump()) for firing in firings for run in firing.runs],
        windows=[firing.fired_at for firing in firings],
        remaining=len(windows) - len(firings),
    )


def _allowed(request: Request, user: User, name: str) -> Ingress:
    ingress = ingress_of(request)
    inlet = ingress.scrapers.get(name)
    if not user.may_read(inlet.target if inlet is not None else None):
        raise ForbiddenError(f"User {user.name!r} may not run this scraper.")
    if inlet is None:
        raise ScraperUnknownError(f"There is no scraper {name!r}.")
    return ingress


def _document(status: ScrapperStatus) -> dict[str, Any]:
    """The parts of a status as plain values."""
    parts = ("last_runs", "requests", "firings", "missed")
    return asdict(status) | {part: [one.model_dump() for one in getattr(status, part)] for part in parts}
