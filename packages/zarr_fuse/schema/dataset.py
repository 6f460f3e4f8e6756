"""The schema of one node and of a tree of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from zarr_fuse.schema.compat import Attributes, Truth
from zarr_fuse.schema.forms import convert_value, dump_yaml, json_value
from zarr_fuse.schema.secrets import without_secrets
from zarr_fuse.schema.types import DType
from zarr_fuse.schema.variable import Coord, Variable
from zarr_fuse.version import __version__


@dataclass(frozen=True)
class DatasetSchema:
    """What the arrays of one node are: attributes of the group, coordinates, variables.

    ATTRS may be edited; they are left out of `repr` because they may hold credentials.
    """

    ATTRS: dict[str, Any] = field(default_factory=dict, repr=False)
    COORDS: dict[str, Coord] = field(default_factory=dict)
    VARS: dict[str, Variable] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return Truth.of(not (self.ATTRS or self.COORDS or self.VARS))

    @property
    def source_to_schema_name_map(self) -> dict[str, str]:
        """Incoming column → variable or simple coordinate that takes it."""
        return {variable.df_col: variable.name for variable in self.incoming}

    @property
    def incoming(self) -> list[Variable]:
        """Everything that a frame has a column for: simple coordinates, then variables."""
        simple = [coord for coord in self.COORDS.values() if not coord.is_composed]
        return [*simple, *self.VARS.values()]

    @property
    def components(self) -> frozenset[str]:
        """Names of the variables that composed coordinates are made of."""
        return frozenset(
            name for coord in self.COORDS.values() if coord.is_composed for name in coord.composed
        )

    @property
    def zarr_attrs(self) -> Attributes:
        """The ATTRS as group attributes: no credentials, JSON values only."""
        return Attributes((key, json_value(value)) for key, value in without_secrets(self.ATTRS).items())

    def resolved(self, types: dict[str, DType]) -> DatasetSchema:
        """A copy with open types fixed, by name."""
        if not types:
            return self
        coords = {name: coord.resolved(types.get(name)) for name, coord in self.COORDS.items()}
        variables = {name: variable.resolved(types.get(name)) for name, variable in self.VARS.items()}
        return DatasetSchema(self.ATTRS, coords, variables)

    def laid_over(self, other: DatasetSchema) -> DatasetSchema:
        """A copy with everything besides that only `other` has, in its order; itself if there is nothing."""
        if other is self:
            return self
        return DatasetSchema(self.ATTRS, {**other.COORDS, **self.COORDS}, {**other.VARS, **self.VARS})

    def form(self) -> dict[str, Any]:
        """The mapping of a stored schema, without credentials."""
        return {
            "ATTRS": convert_value(without_secrets(self.ATTRS)),
            "COORDS": _forms(self.COORDS.values()),
            "VARS": _forms(self.VARS.values()),
        }

    def structure_text(self) -> str:
        """The YAML text that a store keeps as `__structure__`; `deserialize` reads it."""
        attributes = convert_value(without_secrets(self.ATTRS)) | {"VERSION": __version__}
        return dump_yaml({"ATTRS": attributes}) + self._entries_text

    @cached_property
    def _entries_text(self) -> str:
        """The part that cannot be edited."""
        return dump_yaml({"COORDS": _forms(self.COORDS.values()), "VARS": _forms(self.VARS.values())})


@dataclass(frozen=True)
class NodeSchema:
    """The schema of a node, `ds`, and those of its child nodes, `groups`."""

    ds: DatasetSchema = field(default_factory=DatasetSchema)
    groups: dict[str, NodeSchema] = field(default_factory=dict)

    @classmethod
    def make_empty(cls) -> NodeSchema:
        """A schema that says nothing."""
        return cls()

    def form(self) -> dict[str, Any]:
        """The mapping of a whole document, without credentials."""
        return self.ds.form() | {name: child.form() for name, child in self.groups.items()}


def _forms(entries: Iterable[Variable]) -> dict[str, Any]:
    return {entry.name: convert_value(entry.form()) for entry in entries}
