"""Builds the parts of the service from settings, and says everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import structlog

from packages.common.configuration import load_configuration
from packages.common.errors import ConfigurationError
from packages.common.models.configuration_model import Configuration, Target
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.web.auth import Authenticator
from services.ingress_service.web.bodies import Bounds
from services.ingress_service.web.context import Ingress
from services.ingress_service.web.health import Readiness
from services.ingress_service.web.inlets import Inlet, find_node
from services.ingress_service.web.limits import Gate
from services.ingress_service.web.metrics import Metrics
from zarr_fuse.errors import SchemaError
from zarr_fuse.schema import NodeSchema, deserialize

Part = TypeVar("Part")

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
    problems = Problems()
    authenticator = problems.attempt(lambda: build_authenticator(settings))
    configuration = problems.attempt(lambda: read_configuration(settings))
    queue = problems.attempt(lambda: Queue(ObjectStorage(settings.s3_queue_url, settings)))
    inlets = problems.attempt(lambda: build_inlets(configuration)) if configuration is not None else None
    if authenticator is None or configuration is None or queue is None or inlets is None:
        raise ConfigurationError(problems.found)
    gate = Gate(settings.max_upload_bytes)
    scheduler = build_scheduler(settings, configuration, queue)
    return Ingress(
        settings=settings,
        configuration=configuration,
        inlets=inlets,
        queue=queue,
        authenticator=authenticator,
        gate=gate,
        bounds=Bounds(settings.max_upload_bytes, settings.max_decompressed_bytes),
        metrics=Metrics(gate),
        readiness=Readiness(queue, lambda: scheduler.alive),
        scheduler=scheduler,
    )


def read_configuration(settings: Settings) -> Configuration:
    """The configuration file of these settings."""
    return load_configuration(settings.config_path, schemas_dir=settings.schema_folder)


def build_authenticator(settings: Settings) -> Authenticator:
    """The check of credentials; a service without users is legal but cannot be written to."""
    users = settings.users()
    if settings.auth_enabled and not users:
        log.warning("no users: BASIC_AUTH_USERS_JSON is empty, so every upload will be refused")
    return Authenticator(users, enabled=settings.auth_enabled)


def build_inlets(configuration: Configuration) -> Mapping[str, Inlet]:
    """Every endpoint with its schema; raises ConfigurationError with every schema problem."""
    problems = Problems()
    inlets = {}
    for endpoint in configuration.endpoints:
        schema = problems.attempt(partial(read_schema, endpoint))
        if schema is not None:
            inlets[endpoint.name] = Inlet(endpoint, schema)
    if problems.found:
        raise ConfigurationError(problems.found)
    return inlets


def read_schema(target: Target) -> NodeSchema:
    """The schema of an endpoint or scraper; raises ConfigurationError, also where it lacks `target_node`."""
    try:
        schema = deserialize(target.schema_file)
    except SchemaError as error:
        raise ConfigurationError(f"{target.schema_file}: {error.message}") from None
    if find_node(schema, target.target_node) is None:
        raise ConfigurationError(f"{target.schema_file}: has no node {target.target_node!r} ({target.name})")
    return schema
