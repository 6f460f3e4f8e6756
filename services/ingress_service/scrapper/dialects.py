"""Reads a scraper of the configuration, in whichever of the three dialects, into the one internal model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from packages.common.models.configuration_model import Scrapper
from packages.common.models.scrapper_checks import defined_names
from packages.common.models.scrapper_model import Header, Iterate, RequestTemplate
from packages.common.templates import Template, lenient_template, literal, parse_template, variable
from services.ingress_service.scrapper import frames, schema_values
from services.ingress_service.scrapper.model import Choice, Job, JsonBody, RequestPlan, Schedule, Variables

Source = Callable[[], Sequence[Choice]]


def read_job(scrapper: Scrapper) -> Job:
    """The job that a scraper describes."""
    schedules = tuple(Schedule(one.cron, dict(one.set)) for one in scrapper.times)
    if scrapper.request is None:
        return _flat(scrapper, schedules)
    return _templated(scrapper, scrapper.request, schedules)


def _flat(scrapper: Scrapper, schedules: tuple[Schedule, ...]) -> Job:
    """Dialects 1 and 2: an address as it stands, parameters from the columns of a frame."""
    place = literal if scrapper.dataframe_path is None else variable
    plan = RequestPlan(
        url=literal(scrapper.url or ""),
        method=scrapper.method,
        headers=_headers(scrapper.headers, literal),
        params=tuple((param.param_name, place(param.column_name)) for param in scrapper.url_params),
        body=_body(scrapper.body, ()),
    )
    if scrapper.dataframe_path is None:
        return Job(scrapper, schedules, plan)
    needed = {param.column_name: param.column_name for param in scrapper.url_params}
    file = scrapper.file(scrapper.dataframe_path)
    source = partial(frames.choices, file, needed, has_header=scrapper.dataframe_has_header)
    return Job(scrapper, schedules, plan, sources=(source,))


def _templated(scrapper: Scrapper, request: RequestTemplate, schedules: tuple[Schedule, ...]) -> Job:
    """Dialect 3: names in braces, from the run, the fire time, the schema and frames."""
    plan = RequestPlan(
        url=parse_template(request.url),
        method=request.method,
        headers=_headers(request.headers, parse_template),
        params=tuple((param.name, parse_template(param.value)) for param in request.query_params),
        body=_body(request.body, defined_names(scrapper)),
    )
    sources = tuple(_source(scrapper, iterate) for iterate in scrapper.iterate)
    return Job(scrapper, schedules, plan, partial(_at_time, scrapper), sources)


def _headers(headers: Sequence[Header], read: Callable[[str], Template]) -> tuple[tuple[str, Template], ...]:
    return tuple((header.header_name, read(header.header_value)) for header in headers)


def _at_time(scrapper: Scrapper, fired_at: datetime) -> Variables:
    zones = {"datetime_utc": UTC, "datetime_local": scrapper.zone}
    return {
        one.name: fired_at.astimezone(zones[one.source]).strftime(one.format or "")
        if one.source in zones
        else one.value or ""
        for one in scrapper.render
    }


def _source(scrapper: Scrapper, iterate: Iterate) -> Source:
    if iterate.dataframe_path is not None:
        file = scrapper.file(iterate.dataframe_path)
        return partial(frames.choices, file, iterate.outputs, has_header=iterate.dataframe_has_header)
    node = iterate.target_node if iterate.target_node is not None else scrapper.target_node
    path = iterate.schema_regex or ""
    return partial(
        schema_values.choices, iterate.name, scrapper.schema_file, node, path, unique=iterate.unique
    )


def _body(body: Any, known: Sequence[str] | set[str]) -> JsonBody | None:  # noqa: ANN401 - what YAML holds
    """A body with a template in place of every text."""
    if isinstance(body, str):
        return lenient_template(body, known)
    if isinstance(body, dict):
        return {name: _json_part(value, known) for name, value in body.items()}
    return [_json_part(value, known) for value in body] if isinstance(body, list) else None


def _json_part(value: Any, known: Sequence[str] | set[str]) -> Any:  # noqa: ANN401
    return _body(value, known) if isinstance(value, str | dict | list) else value
