"""Routes over the scrapers: what they did last, and run one now."""

from dataclasses import asdict

import anyio
from fastapi import APIRouter, Request

from services.ingress_service.errors import ForbiddenError, ScraperUnknownError
from services.ingress_service.web.answers import Scraper, ScraperList, ScraperRun, ScraperRuns
from services.ingress_service.web.caller import Caller
from services.ingress_service.web.context import ingress_of
from services.ingress_service.web.openapi import errors_of

router = APIRouter(prefix="/api/v1/scrappers", tags=["scrapers"])


@router.get("", responses=errors_of("list"))
async def list_scrapers(request: Request, user: Caller) -> ScraperList:
    """The scrapers whose items the caller may see, with their last runs."""
    ingress = ingress_of(request)
    found = [
        Scraper.model_validate(asdict(status))
        for status in ingress.scheduler.status()
        if user.may_read(ingress.scrapers[status.name].target)
    ]
    return ScraperList(scrappers=found)


@router.post("/{name}/run", responses=errors_of("scraper"))
async def run_scraper(request: Request, user: Caller, name: str) -> ScraperRuns:
    """Run a scraper now, and answer when it has finished."""
    ingress = ingress_of(request)
    inlet = ingress.scrapers.get(name)
    if not user.may_read(inlet.target if inlet is not None else None):
        raise ForbiddenError(f"User {user.name!r} may not run this scraper.")
    if inlet is None:
        raise ScraperUnknownError(f"There is no scraper {name!r}.")
    runs = await anyio.to_thread.run_sync(ingress.scheduler.run_now, name)
    return ScraperRuns(runs=[ScraperRun.model_validate(asdict(run)) for run in runs])
