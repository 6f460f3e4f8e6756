"""What the keys of a scraper have to say together; every function raises `ValueError` with one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jsonpath

from packages.common.templates import VARIABLE, parse_template

if TYPE_CHECKING:
    from packages.common.models.scrapper_model import (
        Auth,
        Iterate,
        Pagination,
        Render,
        RequestTemplate,
        ScrapperKeys,
    )

FLAT_KEYS = frozenset(
    {"method", "headers", "url_params", "dataframe_path", "dataframe_has_header", "body"},
)
LINK = "link"


def checked_variable(name: str) -> str:
    """A name that a template can hold."""
    if not VARIABLE.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a variable: letters, digits and _ are")
    return name


def checked_zone(name: str) -> str:
    """A time zone of the IANA data."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone such as Europe/Prague") from None
    return name


def checked_next(path: str) -> str:
    """`link` (the header), or a JSON path to the address of the next page."""
    if path != LINK:
        try:
            jsonpath.compile(path)
        except jsonpath.JSONPathError as error:
            raise ValueError(f"must be 'link' or a JSON path such as $.links.next: {error}") from None
    return path


def check_render(render: Render) -> Render:
    """A constant has a value, a time has a format."""
    needed, other = ("value", "format") if render.source == "const" else ("format", "value")
    if getattr(render, needed) is None:
        raise ValueError(f"source {render.source} needs {needed}")
    if getattr(render, other) is not None:
        raise ValueError(f"source {render.source} takes no {other}")
    return render


def check_iterate(iterate: Iterate) -> Iterate:
    """A schema has a path, a frame has a file and the columns to take from it."""
    schema_keys, frame_keys = {"schema_regex", "target_node", "unique"}, {"dataframe_path", "outputs"}
    needed = {"schema_regex"} if iterate.source == "schema" else frame_keys
    foreign = (
        frame_keys | {"dataframe_has_header"} if iterate.source == "schema" else schema_keys
    ) & iterate.model_fields_set
    if missing := sorted(key for key in needed if not getattr(iterate, key)):
        raise ValueError(f"source {iterate.source} needs {' and '.join(missing)}")
    if foreign:
        raise ValueError(f"source {iterate.source} takes no {', '.join(sorted(foreign))}")
    return iterate


def check_credentials(auth: Auth) -> Auth:
    """One way to say who asks, with all that it needs."""
    if auth.username is not None and auth.username_env is not None:
        raise ValueError("username and username_env exclude each other")
    named = auth.username is not None or auth.username_env is not None
    if named != (auth.password_env is not None):
        raise ValueError("username (or username_env) and password_env come together")
    if named and auth.bearer_env is not None:
        raise ValueError("username and bearer_env exclude each other")
    if not named and auth.bearer_env is None and not auth.headers_env:
        raise ValueError("needs username and password_env, bearer_env, or headers_env")
    return auth


def check_pagination(pagination: Pagination) -> Pagination:
    """Exactly one way to the next page."""
    if (pagination.next is None) == (pagination.page_param is None):
        raise ValueError("one of next and page_param is needed")
    return pagination


def check_forms(keys: ScrapperKeys) -> None:
    """Exactly one schedule and one request, and no key without effect."""
    if sum(part is not None for part in (keys.cron, keys.crons, keys.runs)) != 1:
        raise ValueError("one of cron, crons and runs is needed")
    if (keys.url is None) == (keys.request is None):
        raise ValueError("one of url and request is needed")
    flat = sorted(FLAT_KEYS & keys.model_fields_set)
    if keys.request is not None and flat:
        raise ValueError(f"{', '.join(flat)}: beside request has no effect")
    if keys.request is None and (keys.render or keys.iterate or any(one.set for one in keys.times)):
        raise ValueError("render, iterate and set need request: a bare url takes no variables")
    for part in (keys, keys.request):
        if part is not None and part.body is not None and part.method == "GET":
            raise ValueError("body needs method POST")


def check_variables(keys: ScrapperKeys) -> None:
    """No variable from two places, and no template without its variable."""
    if keys.request is None:
        return
    iterated = [name for iterate in keys.iterate for name in {iterate.name, *iterate.outputs}]
    in_runs = {name for one in keys.times for name in one.set}
    counts = Counter([*in_runs, *(render.name for render in keys.render), *iterated])
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise ValueError(f"defined in more than one place: {', '.join(twice)}")
    for text in _texts(keys.request):
        for name in parse_template(text).names:
            _check_known(name, keys)


def defined_names(keys: ScrapperKeys) -> set[str]:
    """Every variable that a template may hold."""
    names = {name for one in keys.times for name in one.set} | {render.name for render in keys.render}
    for iterate in keys.iterate:
        names |= {iterate.name} if iterate.source == "schema" else set(iterate.outputs)
    return names


def _check_known(name: str, keys: ScrapperKeys) -> None:
    known = defined_names(keys)
    if name not in known:
        listed = ", ".join(sorted(known)) or "no variables"
        raise ValueError(f"{{{name}}} is defined nowhere; known are {listed}")
    setting = [name in one.set for one in keys.times]
    if any(setting) and not all(setting):
        raise ValueError(f"{{{name}}} is set by some runs and not by others")


def _texts(request: RequestTemplate) -> Iterator[str]:
    yield request.url
    yield from (header.header_value for header in request.headers)
    yield from (param.value for param in request.query_params)
