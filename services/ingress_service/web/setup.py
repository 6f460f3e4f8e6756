"""Builds the parts of the service from settings, and says everything that is wrong at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import structlog

from packages.common.airflow_api import airflow_api
from packages.common.configuration import load_configuration
from packages.common.errors import ConfigurationError
from packages.common.idempotency import KeyRecords
from packages.common.models.configuration_model import Configuration, Target
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.airflow_events import AirflowEvents
from services.ingress_service.spool import Spool
from services.ingress_service.spool_forwarder import SpoolForwarder
from services.ingress_service.wake_up import WakeUp
from services.ingress_service.web.auth import Authenticator
from services.ingress_service.web.context import Ingress
from services.ingress_service.web.health import Readiness
from services.ingress_service.web.limits import Gate
from services.ingress_service.web.scraper_setup import build_scheduler
from services.ingress_service.web.signals.metrics import Metrics
from services.ingress_service.web.signals.observed import ObservedStorage, Observer
from services.ingress_service.web.signals.queue_depth import QueueDepth
from services.ingress_service.web.signals.scraper_metrics import ScraperCollector
from services.ingress_service.web.signals.sweep_metrics import SweepCollector
from services.ingress_service.web.signals.tracing import build_tracing
from services.ingress_service.web.signals.watch import Watch
from services.ingress_service.web.uploads.bodies import Bounds
from services.ingress_service.web.uploads.idempotency import IdempotencyKeys
from services.ingress_service.web.uploads.inlets import AnyTarget, Inlet, find_node
from services.ingress_service.web.uploads.keeping import Keeper
from services.ingress_service.web.uploads.trials import Trials
from zarr_fuse.errors import SchemaError
from zarr_fuse.schema import NodeSchema, deserialize

Part = TypeVar("Part")

schema_log = logging.getLogger("ingress.schema")
log = structlog.get_logger("ingress")


class Problems:
    """Collects what is wrong while as much as possible is still built."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def attempt(self, build: Callable[[], Part]) -> Part | None:
        """What `build` returns, or None after its ConfigurationError has been noted."""
        try:
            return build()
        except ConfigurationError as error:
            self.found += [problem for problem in error.problems if problem not in self.found]
            return None


def build_ingress(settings: Settings) -> Ingress:
    """All parts of the service; raises ConfigurationError with every problem found."""
    problems, observer = Problems(), Observer(build_tracing())
    authenticator = problems.attempt(lambda: build_authenticator(settings))
    queue = problems.attempt(lambda: Queue(ObservedStorage(settings.s3_queue_url, settings, observer)))
    configuration = problems.attempt(lambda: read_configuration(settings)) or Configuration()
    inlets = problems.attempt(partial(build_inlets, configuration.endpoints))
    scrapers = problems.attempt(partial(build_inlets, configuration.active_scrappers))
    airflow = problems.attempt(partial(airflow_api, settings))
    spool = problems.attempt(partial(build_spool, settings))
    if authenticator is None or queue is None or inlets is None or scrapers is None or problems.found:
        raise ConfigurationError(problems.found)
    gate = Gate(settings.max_uploads_in_flight, settings.max_bytes_in_flight)
    metrics = Metrics(gate)
    wake_up = WakeUp(AirflowEvents(airflow), metrics) if airflow is not None else None
    on_stored = wake_up.notify if wake_up else None
    scheduler = build_scheduler(settings, configuration, scrapers, queue, on_stored)
    metrics.registry.register(ScraperCollector(scheduler.known_status))
    watch = build_watch(settings, [*inlets, *scrapers])
    metrics.observe_queue(watch.depth, [*inlets, *scrapers])
    metrics.registry.register(SweepCollector(lambda: watch.last_sweep))
    observer.metrics = metrics
    keeper = Keeper(queue, spool, settings.s3_timeout_s)
    return Ingress(
        settings=settings,
        configuration=configuration,
        inlets=inlets,
        scrapers=scrapers,
        queue=queue,
        authenticator=authenticator,
        gate=gate,
        bounds=Bounds(settings.max_upload_bytes, settings.max_decompressed_bytes),
        metrics=metrics,
        readiness=Readiness(watch.storage, lambda: scheduler.alive, watch, spool),
        scheduler=scheduler,
        keeper=keeper,
        keys=IdempotencyKeys(KeyRecords(queue.storage), keeper),
        trials=Trials(settings),
        watch=watch,
        tracing=observer.tracing,
        wake_up=wake_up,
        forwarder=SpoolForwarder(spool, queue, wake_up.notify if wake_up else None) if spool else None,
        spool=spool,
    )


def build_spool(settings: Settings) -> Spool | None:
    """The folder that keeps uploads while the storage is away, if one is set."""
    return Spool(settings.spool_dir, settings.spool_max_bytes) if settings.spool_dir is not None else None


def build_watch(settings: Settings, endpoints: Sequence[str]) -> Watch:
    """What looks at the queue in the background, past the metrics of its own calls."""
    unobserved = ObjectStorage(settings.s3_queue_url, settings)
    return Watch(unobserved, QueueDepth(Queue(unobserved), endpoints, settings.queue_max_items))


def read_configuration(settings: Settings) -> Configuration:
    """The configuration file of these settings."""
    return load_configuration(settings.config_path, schemas_dir=settings.schema_folder)


def build_authenticator(settings: Settings) -> Authenticator:
    """The check of credentials; a service without users is legal but cannot be written to."""
    users = settings.users()
    if settings.auth_enabled and not users:
        log.warning("no users: BASIC_AUTH_USERS_JSON is empty, so every upload will be refused")
    return Authenticator(users, enabled=settings.auth_enabled)


def build_inlets(targets: Sequence[AnyTarget]) -> dict[str, Inlet[AnyTarget]]:
    """Every endpoint or scraper with its schema, by name; raises ConfigurationError with every problem."""
    problems = Problems()
    inlets = {}
    for target in targets:
        schema = problems.attempt(partial(read_schema, target))
        if schema is not None:
            inlets[target.name] = Inlet(target, schema)
    if problems.found:
        raise ConfigurationError(problems.found)
    return inlets


def read_schema(target: Target) -> NodeSchema:
    """The schema of an endpoint or scraper; raises ConfigurationError, also where it lacks `target_node`."""
    try:
        schema = _parsed(target.schema_file, _stamp(target.schema_file))
    except SchemaError as error:
        raise ConfigurationError(error.message) from None
    if find_node(schema, target.target_node) is None:
        raise ConfigurationError(f"{target.schema_file}: has no node {target.target_node!r} ({target.name})")
    return schema


@lru_cache(maxsize=64)
def _parsed(schema_file: Path, _stamp: tuple[int, int]) -> NodeSchema:
    """A schema that many endpoints name is read, and warned of, once."""
    return deserialize(schema_file, log=schema_log)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes with the content of a file; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
