"""Routes over the scrapers: what they did last, and run one now."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1/scrappers", tags=["scrapers"])
