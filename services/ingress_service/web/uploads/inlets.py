"""Where an upload may go: an endpoint or scraper with the schema of its store."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from packages.common.models.configuration_model import Target
from services.ingress_service.errors import NodeUnknownError
from zarr_fuse.schema import DatasetSchema, NodeSchema

NODES_SHOWN = 20
AnyTarget = TypeVar("AnyTarget", bound=Target)


@dataclass(frozen=True)
class Inlet(Generic[AnyTarget]):
    """An endpoint or scraper with the schema of its store, read once at the start.

    `proven` holds, by node path, the columns that the node is known to take.
    """

    target: AnyTarget
    schema: NodeSchema
    proven: defaultdict[str, set[Any]] = field(default_factory=lambda: defaultdict(set))

    def dataset_schema(self, node_path: str) -> DatasetSchema:
        """The schema of the node at `target_node` + `node_path`; raises NodeUnknownError."""
        node = "/".join(part for part in (self.target.target_node, node_path) if part)
        found = find_node(self.schema, node)
        if found is None or not holds_data(found.ds):
            raise NodeUnknownError(self._unknown(node))
        return found.ds

    @property
    def schema_at_target(self) -> DatasetSchema | None:
        """The schema of `target_node` itself; None where it has no variables of its own."""
        found = find_node(self.schema, self.target.target_node)
        return found.ds if found is not None and holds_data(found.ds) else None

    def _unknown(self, node: str) -> str:
        known = nodes_with_data(self.schema)
        more = ", …" if len(known) > NODES_SHOWN else ""
        listed = ", ".join(repr(name) for name in known[:NODES_SHOWN]) + more
        return f"The schema of {self.target.name!r} has no node {node!r} with variables; it has {listed}."


def find_node(schema: NodeSchema, path: str) -> NodeSchema | None:
    """The node at a relative path, or None."""
    found: NodeSchema | None = schema
    for name in path.split("/") if path else ():
        found = found.groups.get(name) if found is not None else None
    return found


def holds_data(schema: DatasetSchema) -> bool:
    """Whether a node has variables or coordinates, and not just attributes."""
    return bool(schema.VARS or schema.COORDS)


def nodes_with_data(schema: NodeSchema, path: str = "") -> list[str]:
    """Paths of all nodes that describe variables, parents first."""
    own = [path] if holds_data(schema.ds) else []
    below = (
        nodes_with_data(group, f"{path}/{name}" if path else name) for name, group in schema.groups.items()
    )
    return own + [node for nodes in below for node in nodes]
