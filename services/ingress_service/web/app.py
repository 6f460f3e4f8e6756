"""Puts the application together from settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from packages.common.settings import Settings
from services.ingress_service.web import problems, scrapers, service_routes
from services.ingress_service.web.access import AccessMiddleware
from services.ingress_service.web.api import upload_routers, upload_routes
from services.ingress_service.web.description import openapi
from services.ingress_service.web.items import routes as items
from services.ingress_service.web.setup import build_ingress
from services.ingress_service.web.wire.framing import FramingMiddleware

DESCRIPTION = "Takes tabular measurements in. What is answered with 202 is stored durably and will be merged."


def create_app(settings: Settings) -> FastAPI:
    """The application of these settings; raises ConfigurationError that names every problem.

    `app.state.on_accepted` is None or an async function of the item id that runs after the answer is sent;
    with an Airflow in the settings it wakes the sweep.
    """
    ingress = build_ingress(settings)
    app = FastAPI(
        title="zarr-fuse ingress",
        version=_version(),
        description=DESCRIPTION,
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.ingress = ingress
    app.state.on_accepted = ingress.wake_up.on_accepted if ingress.wake_up is not None else None
    app.add_middleware(FramingMiddleware)
    app.add_middleware(AccessMiddleware, metrics=ingress.metrics, tracing=ingress.tracing)
    for handled in problems.ANSWERS:
        app.add_exception_handler(handled, _answer)
    app.add_exception_handler(HTTPException, _answer_framework)
    app.add_exception_handler(RequestValidationError, _answer_parameters)
    ingress.metrics.upload_routes = upload_routes(ingress.inlets.values())
    first, last = upload_routers(ingress.inlets.values())
    for router in (first, service_routes.router, items.router, scrapers.router, last):
        app.include_router(router)
    openapi.install(app, list(ingress.inlets.values()), list(ingress.scrapers))
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    scheduler, others = app.state.ingress.scheduler, (app.state.ingress.wake_up, app.state.ingress.forwarder)
    parts = [scheduler.shutdown]
    for part in others:
        if part is not None:
            part.start()
            parts.append(part.stop)
    scheduler.start()
    watching = asyncio.create_task(app.state.ingress.watch.run())
    try:
        yield
    finally:
        watching.cancel()
        parts.append(app.state.ingress.tracing.stop)
        for stop in parts:
            await anyio.to_thread.run_sync(stop)


async def _answer(request: Request, error: Exception) -> Response:
    return problems.respond_to(error, request)


async def _answer_framework(request: Request, error: Exception) -> Response:
    return problems.respond_to_framework(cast("HTTPException", error), request)


async def _answer_parameters(request: Request, error: Exception) -> Response:
    findings: Sequence[dict[str, Any]] = cast("RequestValidationError", error).errors()
    return problems.respond_to_parameters(findings, request)


def _version() -> str:
    try:
        return version("zarr-fuse-ingress")
    except PackageNotFoundError:
        return "0"
