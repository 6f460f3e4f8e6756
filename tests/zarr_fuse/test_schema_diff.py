from __future__ import annotations

import json
import uuid
import warnings
from dataclasses import fields

import polars as pl
import pytest
import yaml
from hypothesis import example, given, settings

from tests.hypothesis_profiles import examples
from tests.zarr_fuse.schema.test_properties import nodes
from zarr_fuse import open_store
from zarr_fuse.errors import SchemaConflictError, SchemaWarning
from zarr_fuse.schema import Coord, deserialize, serialize
from zarr_fuse.schema_diff import INCOMING, WHY_FIXED, Change, Effect, compare
from zarr_fuse.stored.evolution import FIXED, FIXED_OF_COORDS

OLD = """
ATTRS: {title: River, STORE_URL: "memory://a"}
upper:
  ATTRS: {crew: north, since: 2024}
  VARS:
    stage: {unit: m, source_unit: ft, df_col: Level, coords: [when, gauge], range: {interval: [0, 40, ft]},
            description: Water level, attrs: {device: radar, owner: us}}
    grade: {type: float, coords: [when, gauge], range: {discrete: [1.5, 2.5]}}
    count: {type: int8, na_value: -1, coords: [when, gauge]}
    flag: {type: int8, coords: [when, gauge]}
    east: {unit: km, coords: gauge}
    north: {unit: km, coords: gauge}
  COORDS:
    when: {unit: {tick: s}, source_unit: {tick: s, tz: "+02:00"}, chunk_size: 64, shard_size: 128}
    gauge: {composed: [east, north], chunk_size: 32}
    depth: {unit: m}
lower: {VARS: {flow: {unit: l/s, coords: t}}, COORDS: {t: {unit: m}}}
"""
NODE, STAGE, WHEN = "upper", "upper/VARS/stage", "upper/COORDS/when"


def changed(place: str, value: object) -> str:
    """The old document with one value set, or taken away by `...`."""
    document = yaml.safe_load(OLD)
    *parents, key = place.split("/")
    part = document
    for parent in parents:
        part = part.setdefault(parent, {})
    if value is ...:
        del part[key]
    else:
        part[key] = value
    return yaml.safe_dump(document, sort_keys=False)


def changes(old: str, new: str) -> list[Change]:
    return compare(deserialize(old), deserialize(new))


CASES = [
    ("ATTRS/title", "Rivers", Effect.ADDED),
    ("ATTRS/STORE_URL", "memory://b", Effect.ADDED),
    ("upper/ATTRS/mast", "high", Effect.ADDED),
    ("upper/ATTRS/crew", ..., Effect.KEPT),
    (f"{STAGE}/unit", "km", Effect.BREAKING),
    (f"{STAGE}/source_unit", "cm", Effect.INCOMING),
    (f"{STAGE}/df_col", "level", Effect.INCOMING),
    (f"{STAGE}/range", {"interval": [0, 50, "ft"]}, Effect.INCOMING),
    (f"{STAGE}/range", ..., Effect.INCOMING),
    (f"{STAGE}/type", "float32", Effect.BREAKING),
    (f"{STAGE}/na_value", -9, Effect.BREAKING),
    (f"{STAGE}/coords", ["gauge", "when"], Effect.BREAKING),
    (f"{STAGE}/description", "Height of the water", Effect.ADDED),
    (f"{STAGE}/description", ..., Effect.KEPT),
    (f"{STAGE}/attrs/device", "float", Effect.ADDED),
    (f"{STAGE}/attrs/owner", ..., Effect.KEPT),
    ("upper/VARS/grade/range", {"discrete": [1.5, 2.5, 3.5]}, Effect.BREAKING),
    ("upper/VARS/grade/range", {"interval": [1, 3]}, Effect.BREAKING),
    ("upper/VARS/grade/range", ..., Effect.BREAKING),
    ("upper/VARS/count/na_value", ..., Effect.BREAKING),
    ("upper/VARS/flag/type", ..., Effect.KEPT),
    ("upper/VARS/north", ..., None),
    ("upper/VARS/slope", {"unit": "deg", "coords": ["when", "gauge"]}, Effect.ADDED),
    ("upper/VARS/stage", ..., Effect.KEPT),
    (f"{WHEN}/unit", {"tick": "m"}, Effect.BREAKING),
    (f"{WHEN}/unit", {"tick": "s", "tz": "+01:00"}, Effect.BREAKING),
    (f"{WHEN}/unit", {"tick": "s", "dayfirst": True}, Effect.INCOMING),
    (f"{WHEN}/source_unit", {"tick": "s", "tz": "+03:00"}, Effect.INCOMING),
    (f"{WHEN}/step_limits", "no_new", Effect.INCOMING),
    (f"{WHEN}/step_limits", [1, 2, "h"], Effect.INCOMING),
    (f"{WHEN}/chunk_size", 32, Effect.BREAKING),
    (f"{WHEN}/shard_size", 256, Effect.BREAKING),
    (f"{WHEN}/shard_size", ..., Effect.KEPT),
    (f"{WHEN}/sorted", False, Effect.BREAKING),
    ("upper/COORDS/gauge/shard_size", 64, Effect.ADDED),
    ("upper/COORDS/gauge/composed", ["north", "east"], Effect.BREAKING),
    ("upper/COORDS/depth", ..., Effect.KEPT),
    ("upper/COORDS/height", {"unit": "m"}, Effect.ADDED),
    ("upper/weir", {"VARS": {"flow": {"unit": "l/s", "coords": []}}}, Effect.ADDED),
    ("lower", ..., Effect.KEPT),
]


@pytest.mark.parametrize(("place", "value", "effect"), [case for case in CASES if case[2]])
def test_a_change_has_its_effect_at_its_place(place, value, effect):
    found = changes(OLD, changed(place, value))
    assert [change.effect for change in found] == [effect]
    assert found[0].place.startswith(place)
    assert found[0].reason
    assert found[0].old != found[0].new


@pytest.mark.parametrize(("place", "value", "effect"), [case for case in CASES if case[2]])
def test_a_store_opens_exactly_where_nothing_breaks(place, value, effect):
    url = f"memory://{uuid.uuid4()}"
    old, new = deserialize(OLD), deserialize(changed(place, value))
    for schema in (old, new):
        del schema.ds.ATTRS["STORE_URL"]
    open_store(old, STORE_URL=url)
    if effect is Effect.BREAKING:
        with pytest.raises(SchemaConflictError) as refused:
            open_store(new, STORE_URL=url)
        (difference,) = refused.value.differences
        assert difference.startswith(f"{compare(old, new)[0].place}: ")
    elif effect is Effect.KEPT and place in {"upper/VARS/stage", "upper/COORDS/depth", "lower"}:
        with pytest.warns(SchemaWarning, match="the store keeps what the schema passed lacks"):
            open_store(new, STORE_URL=url)
    else:
        open_store(new, STORE_URL=url)


def test_nothing_changes_by_writing_the_same_differently():
    same = OLD.replace("unit: m,", "unit: meter,").replace("source_unit: ft", "source_unit: foot")
    same = same.replace("coords: gauge", "coords: [gauge]").replace(
        "{unit: m}", "{unit: m, chunk_size: 1024}"
    )
    assert same != OLD
    assert changes(OLD, same) == []


@settings(max_examples=examples(10))
@given(document=nodes(depth=1))
def test_a_schema_is_equal_to_itself_read_back(document):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        tree = deserialize(document)
        assert compare(tree, deserialize(serialize(tree))) == []


def left_open(tree):
    """Places of a node that it leaves to what is stored: there the way back may change nothing."""
    return {f"COORDS/{name}/{key}/" for name, coord in tree.ds.COORDS.items() for key in coord.left_open}


@settings(max_examples=examples(10))
@given(one=nodes(depth=0), other=nodes(depth=0))
@example(one={"COORDS": {"c": {"type": "int"}}}, other={"COORDS": {"c": {"unit": "m", "chunk_size": 1}}})
def test_the_way_back_changes_the_same_places(one, other):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        before, after = deserialize(one), deserialize(other)
    either = tuple(left_open(before) | left_open(after))
    there = [change for change in compare(before, after) if not f"{change.place}/".startswith(either)]
    back = [change for change in compare(after, before) if not f"{change.place}/".startswith(either)]
    assert {(c.place, json.dumps([c.old, c.new], allow_nan=False)) for c in there} == {
        (c.place, json.dumps([c.new, c.old], allow_nan=False)) for c in back
    }
    assert {c.place for c in there if not c.is_compatible} == {c.place for c in back if not c.is_compatible}


def test_a_new_unit_is_one_change_where_the_source_unit_follows_it():
    old, new = "VARS: {v: {unit: m, coords: x}}", "VARS: {v: {unit: s, coords: x}}"
    assert [change.place for change in changes(old, new)] == ["VARS/v/unit"]
    old, new = "VARS: {v: {type: 'str[10]', coords: x}}", "VARS: {v: {type: 'str[20]', coords: x}}"
    assert [change.place for change in changes(old, new)] == ["VARS/v/type"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("VARS: {a: {unit: m, coords: t}}", "VARS: {v: {unit: m, coords: a}}"),
        ("VARS: {a: {unit: m, coords: t}}", "a: {}"),
        ("COORDS: {a: {}}", "a: {}"),
    ],
)
def test_nodes_coordinates_and_variables_cannot_take_each_others_place(old, new):
    for before, after in ((old, new), (new, old)):
        assert any(
            change.effect is Effect.BREAKING and change.place.endswith("a")
            for change in changes(before, after)
        )


def test_credentials_do_not_appear():
    old = 'ATTRS: {S3_SECRET_KEY: topsecret-1, S3_OPTIONS: \'{"key": "topsecret-2"}\'}'
    new = 'ATTRS: {S3_SECRET_KEY: topsecret-3, S3_OPTIONS: \'{"key": "topsecret-4", "region": "eu"}\'}'
    found = changes(old, new)
    assert [change.place for change in found] == ["ATTRS/S3_OPTIONS"]
    assert "topsecret" not in repr(found)
    assert "option" in found[0].reason


def test_every_key_has_its_class():
    described = {"name", "description", "attrs", "left_open"}
    fixed = {key.partition("/")[0] for key in (*FIXED, *FIXED_OF_COORDS)}
    assert {field.name for field in fields(Coord)} == fixed | set(INCOMING) | described
    assert WHY_FIXED.keys() == {*FIXED, *FIXED_OF_COORDS}


def test_what_a_schema_leaves_open_stays_as_it_is_stored():
    url = f"memory://{uuid.uuid4()}"
    full = "{type: int8, na_value: 5, coords: x, description: one, attrs: {a: 1, b: 2}}"
    open_store(f"VARS: {{v: {full}}}\nCOORDS: {{x: {{unit: m, shard_size: 2048}}}}", STORE_URL=url)
    table = pl.DataFrame({"x": [1.0, 2.0], "v": [3, None]})
    root = open_store("VARS: {v: {coords: x, attrs: {b: 3}}}\nCOORDS: {x: {unit: m}}", STORE_URL=url)
    root.update(table)
    v = root.schema.VARS["v"]
    assert (v.type.name, v.na_value, v.description, v.attrs) == ("int8", 5, "one", {"a": 1, "b": 3})
    assert root.schema.COORDS["x"].shard_size == 2048
    assert root.dataset["v"].values.tolist() == [3, 5]
    assert open_store(None, STORE_URL=url).schema == root.schema


def test_a_store_with_discrete_numbers_opens_again():
    url = f"memory://{uuid.uuid4()}"
    for _ in range(2):
        open_store("VARS: {v: {unit: m, coords: x, range: {discrete: [1.5, 2]}}}", STORE_URL=url)
