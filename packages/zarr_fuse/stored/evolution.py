"""The schema in force for a node: the one passed, laid over the one the store keeps."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from zarr_fuse.errors import SchemaConflictError, SchemaWarning
from zarr_fuse.schema import Coord, DatasetSchema, DiscreteRange, NodeSchema, Variable
from zarr_fuse.stored.chunks import StoredArray
from zarr_fuse.stored.layout import LEFT_OUT, Catalog, Document, is_group, join
from zarr_fuse.stored.older import stored_schema
from zarr_fuse.units import DateTimeUnit

FIXED = ("unit", "type", "coords", "na_value", "range/discrete")
"""Keys of a variable or coordinate that stored data rule out to change."""
FIXED_OF_COORDS = ("composed", "sorted", "chunk_size", "shard_size")

V = TypeVar("V", bound=Variable)


@dataclass(frozen=True)
class FixedDifference:
    """A key of `FIXED` or `FIXED_OF_COORDS` that two schemas set differently."""

    key: str
    passed: Any
    stored: Any


def flatten(schema: NodeSchema, path: str = "") -> dict[str, DatasetSchema]:
    """The dataset schemas of a tree by group path, the root as `""`."""
    found = {path: schema.ds}
    for name, child in schema.groups.items():
        found |= flatten(child, join(path, name))
    return found


def combined(
    passed: DatasetSchema | None,
    stored_text: str,
    path: str,
    *,
    read_only: bool,
    arrays: Mapping[str, StoredArray] | None = None,
) -> DatasetSchema:
    """The schema in force for one node.

    Args:
        passed: what the caller brought for this node, if anything.
        stored_text: `__structure__` of the node, empty if it has none.
        path: group path, for messages.
        arrays: of the node, by name; they say what an older text leaves open.
        read_only: the stored schema wins, with a warning where the two differ.

    Raises:
        SchemaConflictError: with every difference that the stored data rule out.
    """
    stored = stored_schema(stored_text, path, arrays or {}, passed)
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


def require_distinct_names(schemas: Mapping[str, DatasetSchema], catalog: Catalog) -> None:
    """No node of the schema has the name of a stored array, and no variable that of a stored node.

    Raises:
        SchemaConflictError: with all that do.
    """
    nodes = {path for path, document in catalog.items() if is_group(document)}
    differences = [
        f"{path}: a node here, an array in the store" for path in schemas.keys() & catalog.keys() - nodes
    ]
    for path, schema in schemas.items():
        arrays = {join(path, name) for name in (*schema.COORDS, *schema.VARS)}
        differences += [f"{name}: an array here, a node in the store" for name in sorted(arrays & nodes)]
    if differences:
        raise SchemaConflictError(differences)


def left_out(
    passed: Mapping[str, DatasetSchema], in_force: Mapping[str, DatasetSchema], catalog: Catalog
) -> dict[str, list[str]]:
    """What the store holds and the schema passed does not name, by the group that keeps note of it.

    Args:
        passed: by group path.
        in_force: these laid over what the store keeps.

    Returns:
        Nodes under the root `""`, coordinates and variables under their node; names are whole paths.
    """
    if not passed:
        return {}
    nodes = [path for path, document in catalog.items() if is_group(document) and path not in passed]
    found = {"": sorted(nodes)}
    for path, schema in in_force.items():
        own = {*passed[path].COORDS, *passed[path].VARS}
        arrays = [join(path, name) for name in (*schema.COORDS, *schema.VARS) if name not in own]
        found[path] = [*found.get(path, []), *sorted(arrays)]
    return {path: names for path, names in found.items() if names and path in catalog}


def tell_of_more(more: Mapping[str, list[str]], catalog: Catalog) -> None:
    """Warn of what was left out and is not yet noted in the store, which the next commit does."""
    news = [name for path, names in more.items() for name in _unnoted(names, catalog[path])]
    if news:
        message = f"the store keeps what the schema passed lacks: {', '.join(sorted(news))}"
        warnings.warn(message, SchemaWarning, stacklevel=5)


def with_notes(more: Mapping[str, list[str]], catalog: Catalog, path: str) -> Catalog:
    """The group document of a node that has to be written so that nobody is told again, if there is one."""
    group = catalog[path]
    news = _unnoted(more.get(path, []), group)
    if not news:
        return {}
    noted = sorted([*group["attributes"].get(LEFT_OUT, []), *news])
    return {path: {**group, "attributes": {**group["attributes"], LEFT_OUT: noted}}}


def _unnoted(names: list[str], group: Document) -> list[str]:
    noted = set(group["attributes"].get(LEFT_OUT, []))
    return [name for name in names if name not in noted]


def _laid_over(passed: Mapping[str, V], stored: Mapping[str, V]) -> dict[str, V]:
    """Everything of both; where the passed side leaves something open, the stored one speaks."""
    both = {name: _completed(passed[name], stored[name]) for name in passed if name in stored}
    return {**stored, **passed, **both}


def _completed(passed: V, stored: V) -> V:
    kept: dict[str, Any] = {"attrs": {**stored.attrs, **passed.attrs}}
    if passed.description is None:
        kept["description"] = stored.description
    if passed.type is None:
        kept |= {"type": stored.type, "na_value": stored.na_value}
    if isinstance(passed, Coord) and isinstance(stored, Coord):
        kept |= {key: getattr(stored, key) for key in passed.left_open}
        if passed.shard_size is None:
            kept["shard_size"] = stored.shard_size
    return replace(passed, **kept)


def _differences(passed: DatasetSchema, stored: DatasetSchema, path: str) -> Iterator[str]:
    for kind, ours, theirs in (("COORDS", passed.COORDS, stored.COORDS), ("VARS", passed.VARS, stored.VARS)):
        for name in ours.keys() & theirs.keys():
            place = join(path, kind, name)
            for found in fixed_differences(ours[name], theirs[name]):
                yield f"{place}/{found.key}: {found.passed} passed, {found.stored} stored"
    for name in (passed.COORDS.keys() & stored.VARS.keys()) | (passed.VARS.keys() & stored.COORDS.keys()):
        yield f"{join(path, name)}: a coordinate here and a variable there"


def fixed_differences(passed: Variable, stored: Variable) -> Iterator[FixedDifference]:
    """What differs between two variables, or two coordinates, although stored data rule it out.

    What either side leaves open is not compared.
    """
    for key in FIXED + (FIXED_OF_COORDS if isinstance(passed, Coord) else ()):
        if key in _left_open(passed) or (_follows(passed, key) and _follows(stored, key)):
            continue
        left, right = _fixed_value(passed, key), _fixed_value(stored, key)
        if left is not None and right is not None and not _same(left, right):
            yield FixedDifference(key, left, right)


def _left_open(variable: Variable) -> frozenset[str]:
    if not isinstance(variable, Coord):
        return frozenset()
    return variable.left_open | ({"unit"} if variable.is_composed else set())  # such labels have no unit


def _fixed_value(variable: Variable, key: str) -> Any:  # noqa: ANN401
    if key == "range/discrete":
        return variable.range.labels if isinstance(variable.range, DiscreteRange) else []
    return getattr(variable, key)


def _follows(variable: Variable, key: str) -> bool:
    """Whether a value follows from the type, or from the unit of time, and so is no choice of its own."""
    if key == "na_value" and variable.type is not None:
        return _same(variable.na_value, variable.type.default_na)
    return key == "type" and isinstance(variable.unit, DateTimeUnit)


def _same(left: Any, right: Any) -> bool:  # noqa: ANN401
    if isinstance(left, DateTimeUnit) and isinstance(right, DateTimeUnit):
        return left.stores_like(right)
    return bool(left == right) or (left != left and right != right)
