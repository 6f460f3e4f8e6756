from __future__ import annotations

import warnings

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from zarr_fuse.errors import SchemaError
from zarr_fuse.schema import deserialize
from zarr_fuse.schema.advice import OPEN
from zarr_fuse.schema.document import CoordDocument
from zarr_fuse.schema.source import check

BAD = """
ATTRS: {__structure__: x, title: River}
upper:
  VARS:
    stage: {unit: m3/s, source_unit: foo, coords: [t, g], attrs: {unit: 5, calendar: x}}
    level: {uint: m, coords: t, range: {intervall: [1]}, description: 5}
    depth: {unit: m, na_value: x, range: {interval: [3, 1]}, coords: [t, t]}
    a/b: {coords: t}
    east: {unit: kkk, coords: g}
    temperature: {unit: C, coords: t}
    empty:
  COORDS:
    t: {unit: {tick: s}, chunk_size: 4, shard_size: 6, step_limits: [3, 1]}
    g: {composed: [east, north]}
  5: {}
lower: [1]
other: {VARS: [1], COORDS: {x: {sorted: sometimes}}}
"""


def places(text: str) -> list[tuple[str, str]]:
    found = check(text, "river.yaml")
    return [(one.severity, one.message.removeprefix("river.yaml:").split(": ")[0]) for one in found]


def test_everything_wrong_is_found_in_one_reading():
    assert places(BAD) == [
        ("error", "ATTRS/__structure__"),
        ("error", "upper/VARS/a/b"),
        ("error", "upper/VARS/stage/attrs/unit"),
        ("error", "upper/VARS/stage/source_unit"),
        ("error", "upper/VARS/stage/unit"),
        ("error", "upper/VARS/level/range/intervall"),
        ("error", "upper/VARS/level/uint"),
        ("error", "upper/VARS/level/description"),
        ("error", "upper/VARS/depth/coords"),
        ("error", "upper/VARS/depth/na_value"),
        ("error", "upper/VARS/depth/range/interval"),
        ("error", "upper/VARS/east/unit"),
        ("warning", "upper/VARS/temperature/unit"),
        ("error", "upper/VARS/empty"),
        ("error", "upper/COORDS/t/shard_size"),
        ("error", "upper/COORDS/t/step_limits"),
        ("error", "upper/COORDS/g/composed"),
        ("error", "upper"),
        ("error", "lower"),
        ("error", "other/VARS"),
        ("error", "other/COORDS/x/sorted"),
    ]


def test_a_variable_with_an_error_is_not_missed_where_it_is_used():
    assert [
        message
        for _, message in places(
            "VARS: {a: {unit: kkk, coords: p}, b: {unit: m, coords: p}}\nCOORDS: {p: {composed: [a, b]}}"
        )
    ] == ["VARS/a/unit"]


def test_a_sound_document_has_nothing_to_say():
    assert check("VARS: {v: {unit: m, coords: x}}\nCOORDS: {x: {unit: ''}}") == []


@pytest.mark.parametrize("name", ["COORD", "coords", "CORDS", "Variables", "VAR", "attributes"])
def test_a_node_called_much_like_a_key_is_doubtful(name):
    text = f"a: {{VARS: {{v: {{unit: m, coords: x}}}}, COORDS: {{x: {{unit: ''}}}}, {name}: {{}}}}"
    assert places(text) == [("warning", f"a/{name}")]


@pytest.mark.parametrize("name", ["cars", "vals", "records", "a"])
def test_a_node_of_another_name_is_not(name):
    assert check(f"{name}: {{}}") == []


def test_what_the_first_table_decides_is_doubtful():
    document = (
        "VARS: {v: {coords: [x, z]}, s: {coords: x, range: {discrete: [a]}}}\nCOORDS: {x: {type: int64}}"
    )
    assert places(document) == [("warning", "COORDS/z"), ("warning", "VARS/v")]


@pytest.mark.parametrize("text", ["a: [", b"\xff\xfe\xfa"])
def test_what_cannot_be_read_at_all_is_one_error(text):
    assert [one.severity for one in check(text, "river.yaml")] == ["error"]


def test_lists_beside_a_file_are_looked_up_there(tmp_path):
    (tmp_path / "grades.csv").write_text("quality\ngood\nbad\n", encoding="utf-8")
    path = tmp_path / "river.yaml"
    path.write_text(
        "VARS: {quality: {type: 'str[4]', coords: t, range: {discrete: grades.csv}}}\n"
        "COORDS: {t: {unit: {tick: s}}}",
        "utf-8",
    )
    assert check(path) == []
    (tmp_path / "grades.csv").unlink()
    assert [one.message.partition(": ")[0] for one in check(path)] == [f"{path}:VARS/quality/range/discrete"]


texts = ["m", "m3/s", "C", "x", "None", "any_new", "str[3]", "int8"]
mappings = [
    {},
    {"tick": "s"},
    {"tick": "15m", "tz": "Mars"},
    {"key": 1},
    {"interval": [1, 0]},
    {"discrete": ["a"]},
]
values = st.sampled_from([*texts, 0, 5, True, None, [], ["x", "y"], [3, 1], *mappings])
keys = st.sampled_from([*CoordDocument.model_fields, "name", "merge", "discrete", "colour"])
entries = st.dictionaries(keys, values, max_size=5) | st.none() | st.just(5)
names = st.sampled_from(["x", "y", "z", "a/b", "", 7])
described = st.dictionaries(names, entries, max_size=3)
nodes = st.fixed_dictionaries({}, optional={"VARS": described, "COORDS": described})


@settings(deadline=None)
@given(nodes | st.dictionaries(names, nodes | st.none() | st.just([1]), max_size=2))
def test_the_check_finds_an_error_exactly_where_reading_fails(document):
    text = yaml.safe_dump(document, allow_unicode=True)
    found = check(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            deserialize(text)
        except SchemaError as error:
            first = str(error).splitlines()[0]
            assert first in [one.message for one in found if one.severity == "error"]
            return
    told = [one.message for one in found if not one.message.endswith((OPEN, "meant?"))]
    assert told == [str(one.message) for one in caught]
