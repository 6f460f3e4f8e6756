"""A YAML file whose values know the line they stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from packages.common.errors import ConfigurationError

Place = Sequence[str | int]


class YamlDocument:
    """One parsed file: its `data`, and the line of every place in it.

    Raises `ConfigurationError` where the file is missing, is not UTF-8, not YAML, or has a key twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        loader = yaml.SafeLoader(_read(path))
        try:
            self._root = loader.get_single_node()
            self.data: Any = loader.construct_document(self._root) if self._root is not None else {}
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigurationError(f"{path}{line}: not valid YAML: {error.problem}") from None
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigurationError(f"{path}: not valid YAML: {error}") from None
        except RecursionError:
            raise ConfigurationError(f"{path}: values lie too deep in others") from None
        finally:
            loader.dispose()
        if twice := [f"{path}:{line}: {key!r} is given twice" for key, line in _twice(self._root, set())]:
            raise ConfigurationError(twice)

    def line(self, place: Place) -> int:
        """The line (from 1) of the deepest part of `place` that is in the file."""
        node, line = self._root, 1
        for part in place:
            found = _step(node, part)
            if found is not None:
                node, line = found
        return line

    def problem(self, place: Place, message: str) -> str:
        """A sentence about a place: `file:line: endpoints[0].name: message`."""
        steps = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place]
        where = "".join(steps).removeprefix(".")
        return f"{self.path}:{self.line(place)}: {where}{': ' if where else ''}{message}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None


def _step(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    return None


def _twice(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[str, int]]:
    """Keys that a mapping has twice, and their lines; what aliases name again is looked at once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item, seen)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    yield key.value, key.start_mark.line + 1
                names.add(key.value)
            yield from _twice(value, seen)
