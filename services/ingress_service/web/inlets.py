"""Where an upload may go: an endpoint of the configuration with the schema of its store."""

from __future__ import annotations

from dataclasses import dataclass

from packages.common.models.configuration_model import Endpoint
from services.ingress_service.errors import NodeUnknownError
from zarr_fuse.schema import DatasetSchema, NodeSchema

NODES_SHOWN = 20


@dataclass(frozen=True)
class Inlet:
    """An endpoint with the schema of its store, read once at the start."""

    endpoint: Endpoint
    schema: NodeSchema

    def dataset_schema(self, node_path: str) -> DatasetSchema:
        """The schema of the node at `target_node` + `node_path`; raises NodeUnknownError."""
        node = "/".join(part for part in (self.endpoint.target_node, node_path) if part)
        found = find_node(self.schema, node)
        if found is None or found.ds.is_empty():
            raise NodeUnknownError(self._unknown(node))
        return found.ds

    @property
    def schema_at_target(self) -> DatasetSchema | None:
        """The schema of `target_node` itself; None where it has no variables of its own."""
        found = find_node(self.schema, self.endpoint.target_node)
        return found.ds if found is not None and not found.ds.is_empty() else None

    def _unknown(self, node: str) -> str:
        known = nodes_with_data(self.schema)
        more = ", …" if len(known) > NODES_SHOWN else ""
        listed = ", ".join(repr(name) for name in known[:NODES_SHOWN]) + more
        return f"The schema of {self.endpoint.name!r} has no node {node!r} with variables; it has {listed}."


def find_node(schema: NodeSchema, path: str) -> NodeSchema | None:
    """The node at a relative path, or None."""
    found: NodeSchema | None = schema
    for name in path.split("/") if path else ():
        found = found.groups.get(name) if found is not None else None
    return found


def nodes_with_data(schema: NodeSchema, path: str = "") -> list[str]:
    """Paths of all nodes that describe variables, parents first."""
    own = [] if schema.ds.is_empty() else [path]
    below = (
        nodes_with_data(group, f"{path}/{name}" if path else name) for name, group in schema.groups.items()
    )
    return own + [node for nodes in below for node in nodes]
