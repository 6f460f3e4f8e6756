"""`ingress check`: everything that is wrong with this installation, before anything runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from packages.common.models.configuration_model import Configuration, Target
    from packages.common.settings import Settings


class Finding(NamedTuple):
    """One line of the report; `problem` is empty where all is well."""

    subject: str
    problem: str = ""
    details: tuple[str, ...] = ()


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("check")(check)


def check() -> None:
    """Print everything that is wrong with this installation.

    Looks at the settings, the configuration, the schemas, the extractors, the users and the storage, where
    it writes and removes a few small objects. Exit codes: 0 all is well, 1 something is wrong.
    """
    wrong = 0
    for subject, problem, details in findings():
        wrong += bool(problem)
        typer.echo(f"wrong  {subject}: {problem}" if problem else f"ok     {subject}")
        for line in details:
            typer.echo(f"       {line}")
    raise typer.Exit(1 if wrong else 0)


def findings() -> Iterator[Finding]:
    """Every check in turn; a later one runs even where an earlier one has found something."""
    from packages.common.errors import ConfigurationError
    from packages.common.settings import load_settings

    try:
        settings = load_settings()
    except ConfigurationError as error:
        yield from (Finding("settings", problem) for problem in error.problems)
        return
    yield Finding("settings", details=_nearly_settings())
    yield from _users(settings)
    yield from _queue(settings)
    yield from _configured(settings)


def _nearly_settings() -> tuple[str, ...]:
    from packages.common.settings import nearly_settings

    return tuple(f"warning  {name} is no setting; {near} is" for name, near in nearly_settings())


def _users(settings: Settings) -> Iterator[Finding]:
    from services.ingress_service.web.setup import build_authenticator

    if settings.auth_enabled and settings.basic_auth_users_json is None:
        yield Finding("users", "BASIC_AUTH_USERS_JSON is empty, so every upload would be refused")
    else:
        yield from _attempt("users", lambda: build_authenticator(settings))


def _configured(settings: Settings) -> Iterator[Finding]:
    from services.ingress_service.web.setup import read_configuration

    configurations: list[Configuration] = []
    subject = f"configuration {settings.config_path}"
    for found in _attempt(subject, lambda: configurations.append(read_configuration(settings))):
        names_itself = found.problem.startswith(str(settings.config_path))
        yield found._replace(subject="configuration") if names_itself else found
    for configuration in configurations:
        targets = [*configuration.endpoints, *configuration.active_scrappers]
        if not targets:
            yield Finding(subject, "it names neither endpoints nor scrapers, so nothing would come in")
        yield from _schemas(targets)
        yield from _extractors(settings, targets)
        yield from _scrapers(settings, configuration)
        yield from _stores(settings, targets)


def _schemas(targets: list[Target]) -> Iterator[Finding]:
    from packages.cli.check_schemas import check_schema, warnings_of
    from services.ingress_service.web.setup import schema_log

    schema_log.addHandler(logging.NullHandler())  # what it warns of stands in the report
    told: set[Path] = set()
    for target in targets:
        for found in _attempt(f"schema of {target.name}", partial(check_schema, target)):
            is_new = not found.problem and target.schema_file not in told
            yield found._replace(details=warnings_of(target.schema_file)) if is_new else found
        told.add(target.schema_file)


def _extractors(settings: Settings, targets: list[Target]) -> Iterator[Finding]:
    from packages.common.extractors.errors import ExtractorError
    from packages.common.extractors.runner import ExtractorRunner, Limits

    with ExtractorRunner(settings.config_path.parent) as runner:
        for target in targets:
            if target.extract_fn is None:
                continue
            limits = Limits(
                target.extractor_timeout_s or settings.extractor_timeout_s,
                target.extractor_memory_bytes or settings.extractor_memory_bytes,
            )
            subject = f"extractor {target.fn_module}.{target.extract_fn} of {target.name}"
            try:
                runner.look(target.fn_module, target.extract_fn, limits)
            except ExtractorError as error:
                yield Finding(subject, *_first_line(str(error)))
            else:
                yield Finding(subject)


def _first_line(text: str) -> tuple[str, tuple[str, ...]]:
    """The first line of a problem, and the others: what an extractor has printed last."""
    first, _, rest = text.partition("\n")
    return first, tuple(rest.splitlines())


def _scrapers(settings: Settings, configuration: Configuration) -> Iterator[Finding]:
    from packages.cli.scrapper_plan import details_of, problems_of, problems_of_mail

    for scrapper in configuration.active_scrappers:
        problems = problems_of(scrapper)
        yield from (Finding(f"scraper {scrapper.name}", problem) for problem in problems)
        if not problems:
            yield Finding(f"scraper {scrapper.name}", details=details_of(scrapper))
    yield from (Finding("messages about failures", one) for one in problems_of_mail(configuration, settings))


def _queue(settings: Settings) -> Iterator[Finding]:
    from packages.common.errors import IngressError
    from packages.common.s3io import ObjectStorage

    subject = f"queue {settings.s3_queue_url}"
    try:
        lacking = ObjectStorage(settings.s3_queue_url, settings).abilities().lacking
    except IngressError as error:
        yield Finding(subject, str(error))
    else:
        yield Finding(subject, "; ".join(lacking))


def _stores(settings: Settings, targets: list[Target]) -> Iterator[Finding]:
    from packages.cli.check_stores import store_problems

    yield from (Finding(f"store {url}", problem) for url, problem in store_problems(settings, targets))


def _attempt(subject: str, act: Callable[[], object]) -> Iterator[Finding]:
    from packages.common.errors import ConfigurationError

    try:
        act()
    except ConfigurationError as error:
        yield from (Finding(subject, problem) for problem in error.problems)
    else:
        yield Finding(subject)
