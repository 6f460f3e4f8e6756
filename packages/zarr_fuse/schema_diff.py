"""What a change of schema means for a store that was made with the old one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from zarr_fuse.options import DEFAULTS
from zarr_fuse.schema import Coord, DatasetSchema, DiscreteRange, NodeSchema, Variable
from zarr_fuse.schema.forms import json_value
from zarr_fuse.schema.secrets import without_secrets
from zarr_fuse.schema.unit_forms import unit_form
from zarr_fuse.stored.evolution import fixed_differences, flatten
from zarr_fuse.stored.layout import join


class Effect(StrEnum):
    """What happens when a store is opened with the new schema."""

    ADDED = "added"
    INCOMING = "incoming"
    KEPT = "kept"
    BREAKING = "breaking"


@dataclass(frozen=True)
class Change:
    """One difference of two schemas; `old` and `new` as JSON can hold them, None where there is nothing."""

    place: str
    effect: Effect
    old: Any
    new: Any
    reason: str

    @property
    def is_compatible(self) -> bool:
        """Whether a store made with the old schema opens with the new one in spite of it."""
        return self.effect is not Effect.BREAKING


WHY_FIXED = {
    "unit": "stored values are in the old unit",
    "type": "stored values have the old type",
    "coords": "the stored array lies over the old coordinates",
    "na_value": "missing cells are stored as the old value",
    "range/discrete": "the old list says what stored values mean",
    "composed": "stored positions are known by the old variables",
    "sorted": "stored labels are in the old order",
    "chunk_size": "stored chunks have the old length",
    "shard_size": "stored shards have the old length",
}
INCOMING = ("unit", "source_unit", "df_col", "range", "step_limits")
_WHY_INCOMING = "says how incoming rows are read or chosen; what is stored stays as it is"
_LEFT_OPEN = {
    "type": ("a store whose first table has fixed another type refuses", "the stored type counts"),
    "shard_size": ("arrays made from now on have shards, stored ones stay as they are", "stored shards stay"),
}
_LACKING = "the new schema lacks it; it stays in the store, readable"
_LACKING_AXIS = "the new schema lacks it; it stays, and tables still need its column"
_NEW_NODE = "made when the store is opened"
_NEW_ARRAY = "a new array; labels stored before read as missing"
_NEW_AXIS = "a new axis; from now on tables of this node need its column"
_RECORDED = "recorded when the store is opened"
_OPTION = "an option: it acts when the store is opened"
_TAKEN = "a node, a coordinate and a variable cannot take each other's place"


def compare(old: NodeSchema, new: NodeSchema) -> list[Change]:
    """Every difference of two schemas, with its effect on a store that was made with the old one.

    Opening that store with the new schema raises `SchemaConflictError` for what is `BREAKING` here. What
    either side leaves open does not break. Credentials do not appear.
    """
    olds, news = flatten(old), flatten(new)
    found: list[Change] = []
    for path in {**olds, **news}:
        if path in olds and path in news:
            found += _node(olds[path], news[path], path)
        elif path in olds:
            found.append(_lone(path, olds[path], None, _LACKING, taken=_is_array(path, news)))
        else:
            found.append(_lone(path, None, news[path], _NEW_NODE, taken=_is_array(path, olds)))
    return found


def _node(old: DatasetSchema, new: DatasetSchema, path: str) -> Iterator[Change]:
    for change in _attributes(without_secrets(old.ATTRS), without_secrets(new.ATTRS), join(path, "ATTRS")):
        is_option = not path and change.place.removeprefix("ATTRS/") in DEFAULTS
        yield replace(change, reason=_OPTION) if is_option else change
    taken = (old.COORDS.keys() & new.VARS.keys()) | (old.VARS.keys() & new.COORDS.keys())
    for kind in ("COORDS", "VARS"):
        ours, theirs = getattr(old, kind), getattr(new, kind)
        for name in {**ours, **theirs}:
            place, before, after = join(path, kind, name), ours.get(name), theirs.get(name)
            if before is not None and after is not None:
                yield from _entry(before, after, place)
            else:
                yield _lone(place, before, after, _why_lone(before, after), taken=name in taken)


def _entry(old: Variable, new: Variable, place: str) -> Iterator[Change]:
    fixed = [difference.key for difference in fixed_differences(new, old)]
    for key in fixed:
        yield _change(old, new, place, key, Effect.BREAKING, WHY_FIXED[key])
    for key in INCOMING:
        ranges_are_coded = key == "range" and "range/discrete" in fixed
        if key not in fixed and not ranges_are_coded and _differs(old, new, key):
            yield _change(old, new, place, key, Effect.INCOMING, _WHY_INCOMING)
    for key, (why_added, why_kept) in _LEFT_OPEN.items():
        before, after = getattr(old, key, None), getattr(new, key, None)
        if before is None and after is not None:
            yield _change(old, new, place, key, Effect.ADDED, why_added)
        elif before is not None and after is None:
            yield _change(old, new, place, key, Effect.KEPT, why_kept)
    yield from _attributes(_described(old), _described(new), place)
    yield from _attributes(old.attrs, new.attrs, join(place, "attrs"))


def _differs(old: Variable, new: Variable, key: str) -> bool:
    if key == "source_unit" and old.source_unit == old.unit and new.source_unit == new.unit:
        return False
    if key == "step_limits" and not isinstance(old, Coord):
        return False
    if key in {"unit", "source_unit"}:
        return bool(getattr(old, key) != getattr(new, key))
    return bool(_value(old, key) != _value(new, key))


def _attributes(old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[Change]:
    for key in {**old, **new}:
        before, after = json_value(old.get(key)), json_value(new.get(key))
        if key not in new:
            yield Change(join(place, key), Effect.KEPT, before, None, _LACKING)
        elif key not in old or before != after:
            yield Change(join(place, key), Effect.ADDED, before, after, _RECORDED)


def _described(entry: Variable) -> dict[str, str]:
    return {} if entry.description is None else {"description": entry.description}


def _lone(
    place: str,
    old: Variable | DatasetSchema | None,
    new: Variable | DatasetSchema | None,
    reason: str,
    *,
    taken: bool,
) -> Change:
    """The change of a node or entry that only one side has; `taken` says that the other has another there."""
    effect = Effect.KEPT if new is None else Effect.ADDED
    if taken:
        effect, reason = Effect.BREAKING, _TAKEN
    return Change(place, effect, old and json_value(old), new and json_value(new), reason)


def _why_lone(old: Variable | None, new: Variable | None) -> str:
    if new is None:
        return _LACKING_AXIS if isinstance(old, Coord) else _LACKING
    return _NEW_AXIS if isinstance(new, Coord) else _NEW_ARRAY


def _is_array(path: str, nodes: Mapping[str, DatasetSchema]) -> bool:
    parent, _, name = path.rpartition("/")
    ds = nodes.get(parent)
    return ds is not None and (name in ds.VARS or name in ds.COORDS)


def _change(old: Variable, new: Variable, place: str, key: str, effect: Effect, reason: str) -> Change:
    return Change(join(place, key), effect, _value(old, key), _value(new, key), reason)


def _value(entry: Variable, key: str) -> Any:  # noqa: ANN401
    """What an entry says under a key, in the form of a document."""
    if key in {"unit", "source_unit"}:
        return unit_form(getattr(entry, key))
    if key == "range/discrete":
        return entry.range.labels if isinstance(entry.range, DiscreteRange) else None
    if key == "step_limits" and isinstance(entry, Coord):
        return json_value(entry.step_limits.step_form())
    return json_value(getattr(entry, key))
