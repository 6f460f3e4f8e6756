"""The schema in force for a node: the one passed, laid over the one the store keeps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from zarr_fuse.errors import SchemaConflictError, SchemaWarning
from zarr_fuse.layout import join
from zarr_fuse.schema import Coord, DatasetSchema, DiscreteRange, NodeSchema, Variable, deserialize
from zarr_fuse.units import DateTimeUnit

FIXED = ("unit", "type", "coords", "na_value")
FIXED_OF_COORDS = ("composed", "sorted", "chunk_size", "shard_size")

V = TypeVar("V", bound=Variable)


def flatten(schema: NodeSchema, path: str = "") -> dict[str, DatasetSchema]:
    """The dataset schemas of a tree by group path, the root as `""`."""
    found = {path: schema.ds}
    for name, child in schema.groups.items():
        found |= flatten(child, join(path, name))
    return found


def combined(passed: DatasetSchema | None, stored_text: str, path: str, *, read_only: bool) -> DatasetSchema:
    """The schema in force for one node.

    Args:
        passed: what the caller brought for this node, if anything.
        stored_text: `__structure__` of the node, empty if it has none.
        path: group path, for messages.
        read_only: the stored schema wins, with a warning where the two differ.

    Raises:
        SchemaConflictError: with every difference that the stored data rule out.
    """
    stored = _stored(stored_text, path) if stored_text else None
    if stored is None or passed is None:
        return stored or passed or DatasetSchema()
    differences = list(_differences(passed, stored, path))
    if read_only:
        if differences:
            warnings.warn(f"the stored schema is used: {'; '.join(differences)}", SchemaWarning, stacklevel=3)
        return stored
    if differences:
        raise SchemaConflictError(differences)
    return DatasetSchema(
        ATTRS={**stored.ATTRS, **passed.ATTRS},
        COORDS=_laid_over(passed.COORDS, stored.COORDS),
        VARS=_laid_over(passed.VARS, stored.VARS),
    )


@lru_cache(maxsize=256)
def _stored(text: str, path: str) -> DatasetSchema:
    return deserialize(text, f"stored schema of {path or 'the root'}").ds


def _laid_over(passed: Mapping[str, V], stored: Mapping[str, V]) -> dict[str, V]:
    """Everything of both; where the passed side leaves the type open, the stored one speaks."""
    merged = {**stored, **passed}
    for name in passed.keys() & stored.keys():
        if passed[name].type is None:
            merged[name] = passed[name].resolved(stored[name].type)
    return merged


def _differences(passed: DatasetSchema, stored: DatasetSchema, path: str) -> Iterator[str]:
    for kind, ours, theirs in (("COORDS", passed.COORDS, stored.COORDS), ("VARS", passed.VARS, stored.VARS)):
        for name in ours.keys() & theirs.keys():
            yield from _changed(ours[name], theirs[name], join(path, kind, name))
    for name in (passed.COORDS.keys() & stored.VARS.keys()) | (passed.VARS.keys() & stored.COORDS.keys()):
        yield f"{join(path, name)}: a coordinate here and a variable there"


def _changed(ours: Variable, theirs: Variable, place: str) -> Iterator[str]:
    keys = FIXED + (FIXED_OF_COORDS if isinstance(ours, Coord) else ())
    for key in keys:
        left, right = getattr(ours, key), getattr(theirs, key)
        if left is not None and right is not None and not _same(key, left, right):
            yield f"{place}/{key}: {left} passed, {right} stored"
    left, right = _labels(ours), _labels(theirs)
    if left != right:
        yield f"{place}/range: discrete labels {left} passed, {right} stored"


def _same(key: str, left: Any, right: Any) -> bool:  # noqa: ANN401
    if key == "unit" and isinstance(left, DateTimeUnit) and isinstance(right, DateTimeUnit):
        return left.stores_like(right)
    return bool(left == right) or (left != left and right != right)


def _labels(variable: Variable) -> Any:  # noqa: ANN401
    return list(variable.range.codes_to_labels) if isinstance(variable.range, DiscreteRange) else None
