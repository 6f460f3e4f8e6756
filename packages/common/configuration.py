"""Reading the configuration file; everything wrong in it is said at once, each with file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from packages.common.errors import ConfigurationError
from packages.common.models import scrapper_model
from packages.common.models.configuration_model import (
    Base,
    Configuration,
    Endpoint,
    Scrapper,
    ServiceSection,
    Smtp,
    Target,
    Webhook,
)
from packages.common.models.treatment_model import Extraction
from packages.common.yaml_document import Place, YamlDocument

SECTIONS: Mapping[str, type[BaseModel]] = {
    "": Configuration,
    "endpoints": Endpoint,
    "active_scrappers": Scrapper,
    "configuration": ServiceSection,
    "smtp": Smtp,
    "webhook": Webhook,
    "base": Base,
    "extract": Extraction,
    "headers": scrapper_model.Header,
    "url_params": scrapper_model.UrlParam,
    "query_params": scrapper_model.QueryParam,
    "runs": scrapper_model.RunTimes,
    "request": scrapper_model.RequestTemplate,
    "render": scrapper_model.Render,
    "iterate": scrapper_model.Iterate,
    "auth": scrapper_model.Auth,
    "pagination": scrapper_model.Pagination,
}
SCHEMA_SUFFIXES = (".yaml", ".yml")


def load_configuration(path: Path, *, schemas_dir: Path | None = None) -> Configuration:
    """The configuration in a YAML file.

    `schema_name` is looked up below `schemas_dir` (default: `schemas` beside the file), `schema_path` beside
    the file. Raises `ConfigurationError` with every problem: unknown keys with the nearest known one, wrong
    values, names or paths given twice, schemas that are not there.
    """
    document = YamlDocument(path)
    try:
        configuration = Configuration.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        by_line = sorted(error.errors(), key=lambda found: document.line(found["loc"]))
        raise ConfigurationError([_problem(document, found) for found in by_line]) from None
    problems = [*_repeated(document, configuration)]
    for place, target in _targets(configuration):
        target.fn_module = _relative_module(path.parent, target.fn_module)
        problems += _bind_schema(document, place, target, schemas_dir or path.parent / "schemas")
        if isinstance(target, Scrapper):
            target.bind_folder(path.parent)
            problems += _missing_frames(document, place, target)
    if problems:
        raise ConfigurationError(problems)
    return configuration


def _problem(document: YamlDocument, found: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    place: Place = found["loc"]
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        message = f"unknown key; the nearest known one is {_nearest(place)!r}"
    elif found["type"] in {"model_type", "model_attributes_type"}:
        message = "keys with values belong here, such as `name: weather`"
    elif found["type"] == "missing":
        message = "is missing"
    return document.problem(place, message)


def _nearest(place: Place) -> str:
    sections = [""] + [part for part in place[:-1] if part in SECTIONS]
    known = SECTIONS[str(sections[-1])].model_fields
    return difflib.get_close_matches(str(place[-1]), known, 1, 0.0)[0]


def _targets(configuration: Configuration) -> Iterator[tuple[Place, Target]]:
    for section in ("endpoints", "active_scrappers"):
        for number, target in enumerate(getattr(configuration, section)):
            yield (section, number), target


def _repeated(document: YamlDocument, configuration: Configuration) -> Iterator[str]:
    names: dict[tuple[str, str], Place] = {}
    paths: set[str] = set()
    for place, target in _targets(configuration):
        if names.setdefault((str(place[0]), target.name), place) is not place:
            yield document.problem((*place, "name"), f"the name {target.name!r} is given twice")
        if isinstance(target, Endpoint):
            if target.endpoint in paths:
                yield document.problem((*place, "endpoint"), f"the path {target.endpoint} is given twice")
            paths.add(target.endpoint)
    yield from _ambiguous(document, configuration)


def _ambiguous(document: YamlDocument, configuration: Configuration) -> Iterator[str]:
    endpoints = {endpoint.name: endpoint for endpoint in configuration.endpoints}
    for number, scrapper in enumerate(configuration.active_scrappers):
        endpoint = endpoints.get(scrapper.name)
        if endpoint is not None and not scrapper.same_target(endpoint):
            message = f"an endpoint is called {scrapper.name!r} too, and has another schema, node or function"
            yield document.problem(("active_scrappers", number, "name"), message)


def _bind_schema(document: YamlDocument, place: Place, target: Target, folder: Path) -> list[str]:
    key = "schema_path" if target.schema_path is not None else "schema_name"
    name = target.schema_path or target.schema_name or ""
    base = document.path.parent if target.schema_path is not None else folder
    if target.schema_path is not None:
        name = _relative(base, target.schema_path)
        target.schema_path = name
    found = next((file for file in _candidates(base / name) if file.is_file()), None)
    if found is None:
        return [document.problem((*place, key), f"there is no schema {name!r} in {base}")]
    if key == "schema_name" and not found.resolve().is_relative_to(folder.resolve()):
        return [document.problem((*place, key), f"{name!r} lies outside {folder}")]
    target.bind_schema(found)
    return []


def _relative(base: Path, schema_path: str) -> str:
    """The path as it is known from now on; items carry it to whoever reads their schema."""
    first, _, rest = schema_path.partition("/")
    if rest and first == base.absolute().name and not any(map(Path.is_file, _candidates(base / schema_path))):
        return rest
    return schema_path


def _relative_module(base: Path, fn_module: str | None) -> str | None:
    """The module as it is known from now on: earlier products imported it from the folder above."""
    first, _, rest = (fn_module or "").partition(".")
    if rest and first == base.absolute().name and not (base / first).exists():
        return rest
    return fn_module


def _missing_frames(document: YamlDocument, place: Place, scrapper: Scrapper) -> Iterator[str]:
    named: list[tuple[Place, str | None]] = [((), scrapper.dataframe_path)]
    named += [(("iterate", number), one.dataframe_path) for number, one in enumerate(scrapper.iterate)]
    for inner, path in named:
        if path is not None and not scrapper.file(path).is_file():
            message = f"there is no file {scrapper.file(path)}"
            yield document.problem((*place, *inner, "dataframe_path"), message)


def _candidates(path: Path) -> list[Path]:
    if path.suffix in SCHEMA_SUFFIXES:
        return [path]
    return [path, *(path.with_name(path.name + suffix) for suffix in SCHEMA_SUFFIXES)]
