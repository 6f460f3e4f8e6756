from __future__ import annotations

import warnings

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from zarr_fuse.errors import SchemaError, SchemaWarning
from zarr_fuse.schema import deserialize, serialize

names = st.text(
    st.characters(codec="utf-8", exclude_characters="/", categories=("L", "N", "P", "Zs")),
    min_size=1,
    max_size=8,
)
good_names = names.filter(
    lambda name: not name.startswith("__") and name not in {".", "..", "ATTRS", "VARS", "COORDS"}
)
texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12)
numbers = st.floats(-1e6, 1e6)
time_units = st.fixed_dictionaries(
    {"tick": st.sampled_from(["D", "h", "m", "s", "ms", "us", "ns", "15m"])},
    optional={
        "tz": st.sampled_from(["UTC", "CET", "+05:30", "-03:00", "Asia/Tokyo"]),
        "dayfirst": st.booleans(),
        "yearfirst": st.booleans(),
    },
)
lengths = st.sampled_from(["m", "km", "foot", "mm", "meter"])
described = {
    "description": texts,
    "df_col": texts,
    "attrs": st.dictionaries(texts.map("a_{}".format), st.integers() | texts, max_size=2),
}


@st.composite
def entries(draw):
    shape = draw(st.sampled_from(["length", "integer", "text", "time", "complex", "open"]))
    entry = draw(st.fixed_dictionaries({}, optional=described))
    if shape == "length":
        entry |= {"unit": draw(lengths), "source_unit": draw(lengths)}
        entry |= draw(
            st.fixed_dictionaries(
                {}, optional={"na_value": numbers, "type": st.sampled_from(["float32", "float"])}
            )
        )
        low, high = sorted(draw(st.tuples(numbers, numbers)))
        entry["range"] = draw(
            st.sampled_from(
                [None, {"interval": [low, high]}, {"interval": [low, None, "ft"]}, {"interval": []}]
            )
        )
    elif shape == "integer":
        entry["type"] = draw(st.sampled_from(["int", "int8", "uint8", "uint64", "bool"]))
        labels = st.lists(st.integers(0, 100), min_size=1, unique=True, max_size=4)
        entry["range"] = draw(st.none() | labels.map(lambda found: {"discrete": found}))
    elif shape == "text":
        entry["type"] = "str[12]"
        labels = st.lists(texts, min_size=1, unique=True, max_size=4)
        entry["range"] = draw(st.none() | labels.map(lambda found: {"discrete": found}))
    elif shape == "time":
        entry |= {"unit": draw(time_units), "source_unit": draw(time_units)}
    elif shape == "complex":
        entry |= {"type": "complex64", "unit": draw(lengths)}
    return entry


@st.composite
def axes(draw):
    entry = draw(entries())
    options = {
        "chunk_size": st.integers(1, 100),
        "sorted": st.booleans(),
        "step_limits": st.sampled_from(["any_new", "no_new", [], None]),
    }
    return entry | draw(st.fixed_dictionaries({}, optional=options))


@st.composite
def nodes(draw, depth=2):
    over = draw(st.lists(good_names, min_size=1, max_size=3, unique=True))
    variables = draw(st.lists(good_names.filter(lambda name: name not in over), max_size=3, unique=True))
    node = {
        "ATTRS": draw(
            st.dictionaries(
                texts.map("k_{}".format),
                st.recursive(st.none() | st.booleans() | texts | numbers, st.lists),
                max_size=3,
            )
        ),
        "VARS": {name: draw(entries()) | {"coords": draw(st.permutations(over))} for name in variables},
        "COORDS": {name: draw(axes()) for name in over},
    }
    if depth:
        children = draw(
            st.lists(good_names.filter(lambda name: name not in {*over, *variables}), max_size=2, unique=True)
        )
        node |= {name: draw(nodes(depth=depth - 1)) for name in children}
    return node


@settings(max_examples=examples(25))
@given(document=nodes())
def test_a_schema_survives_its_text(document):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        tree = deserialize(document)
        text = serialize(tree)
        again = deserialize(text)
    assert again == tree
    assert serialize(again) == text


@settings(max_examples=examples(25))
@given(document=nodes(depth=0))
def test_a_stored_structure_is_the_same_schema(document):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        ds = deserialize(document).ds
        assert deserialize(ds.structure_text()).ds == ds


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            texts
            | st.sampled_from(
                [
                    "VARS",
                    "COORDS",
                    "ATTRS",
                    "unit",
                    "coords",
                    "range",
                    "type",
                    "interval",
                    "discrete",
                    "step_limits",
                    "composed",
                    "merge",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=examples(120))
@given(
    entry=st.dictionaries(
        st.sampled_from(
            [
                "unit",
                "source_unit",
                "coords",
                "range",
                "type",
                "step_limits",
                "composed",
                "merge",
                "sorted",
                "na_value",
                "df_col",
                "attrs",
                "name",
                "chunk_size",
            ]
        ),
        junk,
        max_size=5,
    ),
    section=st.sampled_from(["VARS", "COORDS"]),
)
def test_nonsense_is_a_schema_error_and_nothing_else(entry, section):
    message = "<schema>:"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        try:
            deserialize({section: {"v": entry}})
        except SchemaError as error:
            message = str(error)
    assert message.startswith("<schema>:")
