"""What a schema says that no upload can fulfil."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from packages.common.errors import ConfigurationError
from services.ingress_service.web.setup import read_schema
from zarr_fuse.schema.advice import HIDES
from zarr_fuse.schema.source import check as problems_of
from zarr_fuse.values.columns import check_units

if TYPE_CHECKING:
    from pathlib import Path

    from packages.common.models.configuration_model import Target
    from zarr_fuse.schema import NodeSchema


def check_schema(target: Target) -> None:
    """Raise `ConfigurationError` where the schema of an endpoint cannot be read, or takes no table at all."""
    problems = [f"{target.schema_file}: {problem}" for problem in _unit_problems(read_schema(target))]
    if problems:
        raise ConfigurationError(problems)


def warnings_of(schema_file: Path) -> tuple[str, ...]:
    """What is doubtful in a schema that can be read, a line each, but for how its tree can be opened."""
    messages = (problem.message for problem in problems_of(schema_file))
    return tuple(f"warning  {message}" for message in messages if not message.endswith(HIDES))


def _unit_problems(schema: NodeSchema, path: str = "") -> Iterator[str]:
    for variable in schema.ds.incoming:
        try:
            check_units(variable.source_unit, variable.unit)
        except ValueError as error:
            yield f"{path}/{variable.name}: {error}".lstrip("/")
    for name, child in schema.groups.items():
        yield from _unit_problems(child, f"{path}/{name}")
