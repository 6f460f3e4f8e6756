"""The values that a scraper takes from its schema, such as the source column of every variable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from services.ingress_service.scrapper.errors import PlanError
from services.ingress_service.scrapper.model import Choice


def choices(name: str, file: Path, node: str, path: str, *, unique: bool = True) -> list[Choice]:
    """One choice for each value at `path` (keys joined by dots, `*` for all) below a node of the document.

    Raises `PlanError` where the file cannot be read, lacks the node, or holds no plain value there.
    """
    found = [
        _text(value, file, path) for value in _below(_node(_document(file), node, file), path.split("."))
    ]
    if not found:
        raise PlanError(f"{file} has nothing at {path} below the node {node!r}")
    return [Choice({name: value}) for value in (dict.fromkeys(found) if unique else found)]


def _document(file: Path) -> Any:  # noqa: ANN401 - what YAML holds
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlanError(f"{file} cannot be read: {str(error).partition(chr(10))[0]}") from None


def _node(document: Any, node: str, file: Path) -> Any:  # noqa: ANN401
    for part in node.split("/") if node else ():
        if not isinstance(document, dict) or part not in document:
            raise PlanError(f"{file} has no node {node!r}")
        document = document[part]
    return document


def _below(value: Any, parts: list[str]) -> Iterator[Any]:  # noqa: ANN401
    if not parts:
        yield value
        return
    first, *rest = parts
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = value.values() if first == "*" else [value[first]] if first in value else []
    elif isinstance(value, list) and first == "*":
        inner = value
    for one in inner:
        yield from _below(one, rest)


def _text(value: Any, file: Path, path: str) -> str:  # noqa: ANN401
    if isinstance(value, dict | list) or value is None:
        raise PlanError(f"{file}: {path} leads to something that is no plain value")
    return str(value)
