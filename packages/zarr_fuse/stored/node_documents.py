"""The metadata documents of a node: what its group and its arrays say of themselves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from zarr_fuse.errors import SchemaWarning
from zarr_fuse.schema import DatasetSchema, Variable
from zarr_fuse.schema.secrets import without_secrets
from zarr_fuse.schema.sizes import chunk_lengths, cut, shard_lengths
from zarr_fuse.stored.chunks import Index, StoredArray, new_document
from zarr_fuse.stored.layout import HIDDEN_PREFIX, Document, join
from zarr_fuse.version import __version__


def node_attributes(schema: DatasetSchema, stored: Mapping[str, Any], *, empty: bool) -> dict[str, Any]:
    """Attributes of a node's group: its ATTRS, the version, its schema, and what only the store knows."""
    own = {key: value for key, value in stored.items() if key.startswith(HIDDEN_PREFIX)}
    others = {key: value for key, value in stored.items() if not key.startswith("__") and key != "VERSION"}
    public = without_secrets(others) | dict(schema.zarr_attrs)
    fixed: dict[str, Any] = {"VERSION": __version__, "__structure__": schema.structure_text()}
    return {**public, **fixed, **({"__empty__": True} if empty else {}), **own}


def essence(document: Document | None) -> Document | None:
    """A document without the version of the package that wrote it."""
    if document is None:
        return None
    attributes = {key: value for key, value in document["attributes"].items() if key != "VERSION"}
    return {**document, "attributes": attributes}


def array_for(
    path: str,
    variable: Variable,
    coords: Sequence[str],
    schema: DatasetSchema,
    shape: Index,
    stored: StoredArray | None,
) -> StoredArray:
    """The array of a variable with its final extent: the stored one grown, or a new one."""
    if stored is not None:
        return stored.resized(shape).with_attributes({**stored.document["attributes"], **variable.zarr_attrs})
    for sentence in cut(variable, coords, schema):
        warnings.warn(f"{variable.name}: {sentence}", SchemaWarning, stacklevel=2)
    document = new_document(
        shape=shape,
        chunks=chunk_lengths(variable, coords, schema),
        shards=shard_lengths(variable, coords, schema),
        dtype=variable.storage_dtype,
        fill=variable.storage_na,
        dims=coords,
        attributes=variable.zarr_attrs,
    )
    return StoredArray(join(path, variable.name), document)
