"""Who a scraper says it is: headers from the environment, kept apart from the request they go with."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from packages.common.errors import ConfigurationError
from packages.common.models.configuration_model import Scrapper
from packages.common.models.scrapper_model import Auth
from services.ingress_service.scrapper.requests import SECRET_NAME

Credentials = tuple[tuple[str, str], ...]


def credentials_of(scrapper: Scrapper, environment: Mapping[str, str]) -> Credentials:
    """The headers that name the caller; `ConfigurationError` names every variable that is not there."""
    if scrapper.auth is None:
        return ()
    needed = [name for _, name in _variables(scrapper.auth)]
    if missing := [name for name in needed if not environment.get(name)]:
        raise ConfigurationError(
            [f"scraper {scrapper.name}: auth: the environment has no {name}" for name in missing]
        )
    return tuple(_headers(scrapper.auth, environment))


def clear_text(scrapper: Scrapper) -> list[str]:
    """A warning for each value in the configuration that looks like a secret: it belongs in a variable."""
    headers = scrapper.request.headers if scrapper.request is not None else scrapper.headers
    names = [header.header_name for header in headers if SECRET_NAME.search(header.header_name)]
    queried = scrapper.shown_url.partition("?")[2].split("&")
    names += [name for pair in queried if SECRET_NAME.search(name := pair.partition("=")[0])]
    if scrapper.request is not None:
        names += [one.name for one in scrapper.request.query_params if SECRET_NAME.search(one.name)]
    elif scrapper.dataframe_path is None:
        names += [one.param_name for one in scrapper.url_params if SECRET_NAME.search(one.param_name)]
    return [
        f"scraper {scrapper.name}: {name} looks like a secret in clear text; auth takes it from a variable"
        for name in names
    ]


def _variables(auth: Auth) -> Iterator[tuple[str, str]]:
    named = {"username_env": auth.username_env, "password_env": auth.password_env, "bearer": auth.bearer_env}
    yield from ((key, name) for key, name in named.items() if name is not None)
    yield from auth.headers_env.items()


def _headers(auth: Auth, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if auth.password_env is not None:
        username = auth.username if auth.username_env is None else environment[auth.username_env]
        pair = f"{username}:{environment[auth.password_env]}"
        yield "Authorization", f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    if auth.bearer_env is not None:
        yield "Authorization", f"Bearer {environment[auth.bearer_env]}"
    yield from ((header, environment[name]) for header, name in auth.headers_env.items())
