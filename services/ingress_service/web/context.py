"""Everything a request handler needs, built once when the application is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import Request

from packages.common.models.configuration_model import Configuration, Endpoint, Scrapper
from packages.common.queue import Queue
from packages.common.settings import Settings
from services.ingress_service.scrapper.scheduler import ScrapperScheduler
from services.ingress_service.spool import Spool
from services.ingress_service.spool_forwarder import SpoolForwarder
from services.ingress_service.wake_up import WakeUp
from services.ingress_service.web.auth import Authenticator
from services.ingress_service.web.health import Readiness
from services.ingress_service.web.limits import Gate
from services.ingress_service.web.signals.metrics import Metrics
from services.ingress_service.web.signals.tracing import Tracing
from services.ingress_service.web.signals.watch import Watch
from services.ingress_service.web.uploads.bodies import Bounds
from services.ingress_service.web.uploads.idempotency import IdempotencyKeys
from services.ingress_service.web.uploads.inlets import Inlet
from services.ingress_service.web.uploads.keeping import Keeper
from services.ingress_service.web.uploads.trials import Trials

OnAccepted = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Ingress:
    """The parts of one running service; `inlets` and `scrapers` are keyed by name."""

    settings: Settings
    configuration: Configuration
    inlets: Mapping[str, Inlet[Endpoint]]
    scrapers: Mapping[str, Inlet[Scrapper]]
    queue: Queue
    authenticator: Authenticator
    gate: Gate
    bounds: Bounds
    metrics: Metrics
    readiness: Readiness
    scheduler: ScrapperScheduler
    keeper: Keeper
    keys: IdempotencyKeys
    trials: Trials
    watch: Watch
    tracing: Tracing
    wake_up: WakeUp | None = None
    forwarder: SpoolForwarder | None = None
    spool: Spool | None = None


def ingress_of(request: Request) -> Ingress:
    """The parts of the application that handles `request`."""
    ingress: Ingress = request.app.state.ingress
    return ingress
