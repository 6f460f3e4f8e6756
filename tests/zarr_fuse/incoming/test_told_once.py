from __future__ import annotations

import warnings

import polars as pl
import pytest

from tests.zarr_fuse.rivers import RIVERS
from zarr_fuse.errors import SchemaWarning

TIME = {"t": {"unit": {"tick": "s"}, "chunk_size": 4}}


def schema(node, *names):
    return {node: {"VARS": {name: {"unit": "m", "coords": "t"} for name in names}, "COORDS": TIME}}


def rows(start, *names):
    return pl.DataFrame({"t": [start], **{name: [1.0] for name in names}})


def open_and_update(survey, node, *names, start=0):
    """The warnings of opening with a schema of one node, which is then written to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        survey.open(schema(node, *names))[node].update(rows(start, *names))
    return [str(one.message) for one in caught if issubclass(one.category, SchemaWarning)]


@pytest.fixture(params=RIVERS)
def survey(request, monkeypatch):
    return RIVERS[request.param](monkeypatch)


def test_schemas_that_share_a_store_are_told_of_each_other_once(survey):
    assert open_and_update(survey, "river", "level") == []
    (told,) = open_and_update(survey, "lake", "depth")
    assert "lacks: river" in told
    (told,) = open_and_update(survey, "river", "level")
    assert "lacks: lake" in told
    for start in (1, 2):
        assert open_and_update(survey, "river", "level", start=start) == []
        assert open_and_update(survey, "lake", "depth", start=start) == []


def test_variable_that_is_left_out_is_told_once_and_the_next_one_again(survey):
    open_and_update(survey, "river", "level", "flow", "slope")
    (told,) = open_and_update(survey, "river", "level", "flow", start=1)
    assert "lacks: river/slope" in told
    assert open_and_update(survey, "river", "level", "flow", start=2) == []
    (told,) = open_and_update(survey, "river", "level", start=3)
    assert told.endswith("lacks: river/flow")
    assert survey.dataset("river").slope.count() == 1


def test_opening_without_writing_changes_nothing_and_tells_again(survey):
    open_and_update(survey, "river", "level", "flow")
    before = survey.dataset("river").attrs
    for _ in range(2):
        with pytest.warns(SchemaWarning, match="lacks: river/flow"):
            survey.open(schema("river", "level"))
    assert survey.dataset("river").attrs == before


def test_repeated_update_leaves_the_attributes_after_telling(survey):
    open_and_update(survey, "river", "level", "flow")
    open_and_update(survey, "river", "level")
    told = survey.dataset("river").attrs
    open_and_update(survey, "river", "level")
    assert survey.dataset("river").attrs == told
