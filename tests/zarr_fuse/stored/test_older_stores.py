from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

from tests.zarr_fuse.older_nodes import NO_NUMBER, opened, plain, row, seconds, update
from tests.zarr_fuse.older_stores import NEW_SCHEMA, OLD_SCHEMA, OlderStore
from zarr_fuse import open_store
from zarr_fuse.errors import SchemaWarning, UpdateRefusedError


@pytest.mark.parametrize("schema", [None, NEW_SCHEMA])
def test_store_of_existing_writers_is_read_and_extended_keeping_chunks_and_types(new_store, schema):
    before = {name: new_store.raw(name) for name in ("time", "level", "count", "note")}
    node = opened(new_store, schema)
    assert node.dataset.level.values.tolist() == [0.0, 1.0, 2.0]
    update(node, row(15, level=9.0, count=8, note="zz"))
    update(node, row(40, level=7.0))
    for consolidated in (True, False):
        data = plain(new_store, consolidated=consolidated)
        assert seconds(data) == [0, 10, 15, 20, 40]
        assert data.level.values.tolist() == [0.0, 1.0, 9.0, 2.0, 7.0]
        assert data["count"].values.tolist() == [0, 1, 8, 2, NO_NUMBER]
        assert data.note.values.tolist() == ["a", "bb", "zz", "ccc", "\uffff" * 3]
    for name, array in before.items():
        after = new_store.raw(name)
        assert (after.chunks, after.dtype, after.fill_value) == (array.chunks, array.dtype, array.fill_value)


def test_opening_an_existing_store_without_schema_writes_nothing(new_store):
    def contents():
        return {path: path.read_bytes() for path in new_store.folder.parent.rglob("*") if path.is_file()}

    before = contents()
    opened(new_store)
    opened(new_store, MODE="r")
    assert contents() == before


@pytest.mark.parametrize("absent", ["level", "count", "note"])
def test_new_cells_without_value_read_as_missing_whatever_the_fill_value(new_store, absent):
    values = {"level": [5.0], "count": [5], "note": ["x"]}
    del values[absent]
    node = opened(new_store)
    for time in range(30, 100, 10):
        update(node, {"time": [time], **values})
    data = plain(new_store)[absent].values[3:]
    missing = {"level": np.isnan, "count": lambda cells: cells == NO_NUMBER}
    assert missing.get(absent, lambda cells: cells == "\uffff" * 3)(data).all()
    assert len(data) == 7


@pytest.mark.parametrize("schema", [None, OLD_SCHEMA])
def test_store_of_the_older_generation_is_read_and_extended(old_store, schema):
    before = {name: old_store.raw(name) for name in ("time", "place", "lat", "temp", "load")}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        node = open_store(schema, STORE_URL=old_store.url)["site"]
        assert node.dataset.temp.values.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
        assert node.schema.COORDS["time"].df_col == "stamp"
    assert [one for one in told if issubclass(one.category, SchemaWarning) and "parsnip" in str(one.message)]
    update(
        node,
        {
            "stamp": [30, 10, 30],
            "latitude": [-1.0, 50.0, 7.0],
            "longitude": [-2.0, 14.0, 7.5],
            "T": [9.5, None, 8.5],
            "load": [1, 70, 3],
        },
    )
    data = plain(old_store)
    assert seconds(data) == [0, 10, 20, 30]
    assert data.place.values.tolist() == [hash((50.0, 14.0)), hash((-1.0, -2.0)), hash((7.0, 7.5))]
    assert data.lat.values.tolist() == [50.0, -1.0, 7.0]
    nan = np.nan
    assert np.array_equal(
        data.temp.values, [[0, 1, nan], [2, 3, nan], [4, 5, nan], [nan, 9.5, 8.5]], equal_nan=True
    )
    assert data["load"].values.tolist() == [
        [0, 1, NO_NUMBER],
        [70, 3, NO_NUMBER],
        [4, 5, NO_NUMBER],
        [NO_NUMBER, 1, 3],
    ]
    for name, array in before.items():
        after = old_store.raw(name)
        assert (after.chunks, after.dtype, after.fill_value) == (array.chunks, array.dtype, array.fill_value)


def test_older_store_first_extended_without_schema_opens_with_one_afterwards(old_store):
    columns = {"latitude": [50.0], "longitude": [14.0]}
    update(opened(old_store), {"stamp": [30], **columns, "T": [3.0], "load": [4]})
    schema = copy.deepcopy(OLD_SCHEMA)
    schema["site"]["VARS"]["load"]["unit"] = None
    update(opened(old_store, schema), {"stamp": [40], **columns, "T": [4.0], "load": [5]})
    assert seconds(plain(old_store)) == [0, 10, 20, 30, 40]
    assert plain(old_store).temp.dtype == np.float32


def test_group_attributes_that_no_schema_knows_are_kept(new_store):
    group = new_store.group()
    group.attrs.update({"history": "made by hand", "S3_SECRET_KEY": "hush"})
    update(opened(new_store), row(30, level=1.0))
    data = plain(new_store)
    assert data.attrs["history"] == "made by hand"
    assert "S3_SECRET_KEY" not in data.attrs


def test_node_without_any_schema_is_known_by_its_arrays(new_store):
    new_store.group().attrs.put({})
    node = opened(new_store)
    update(node, row(30, level=3.0, count=1, note="d"))
    assert plain(new_store).level.values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert str(node.schema.VARS["level"].unit) == "meter"


@pytest.mark.parametrize("path", ["logs", "logs/2024"])
def test_folder_of_logs_is_left_alone(new_store, path):
    log = new_store.folder / path / "today.log"
    log.parent.mkdir(parents=True)
    log.write_text("hello")
    root = open_store(None, STORE_URL=new_store.url)
    assert list(root.children) == ["site"]
    update(root["site"], row(30, level=1.0))
    assert [file.name for file in (new_store.folder / "logs").rglob("*.*")] == ["today.log"]
    assert log.read_text() == "hello"


def test_text_of_variable_length_is_kept_so(new_store):
    group = new_store.group()
    del group["note"]
    note = group.create_array(
        "note", shape=(3,), dtype="string", chunks=(3,), fill_value="", dimension_names=["time"]
    )
    note[:] = np.array(["a", "bb", "a text of some length"], dtype=object)
    for schema in (None, NEW_SCHEMA):
        node = opened(new_store, schema)
        update(node, row(15, note="zz"))
        update(node, row(40, level=1.0))
    assert plain(new_store).note.values.tolist() == ["a", "bb", "zz", "a text of some length", "\uffff" * 8]
    assert new_store.raw("note").metadata.to_dict()["data_type"] == "string"


def test_labels_of_variable_length_are_found(tmp_path):
    store = OlderStore(tmp_path / "river.zarr")
    store.describe("")
    labels = store.group().create_array(
        "name", shape=(2,), dtype="string", chunks=(2,), fill_value="", dimension_names=["name"]
    )
    labels[:] = np.array(["a", "cc"], dtype=object)
    store.array("x", [1.0, 2.0], ["name"], 0.0, unit="m")
    schema = {
        "site": {
            "VARS": {"x": {"unit": "m", "coords": "name"}},
            "COORDS": {"name": {"type": "str[6]", "unit": ""}},
        }
    }
    for schema_or_none in (schema, None):
        update(opened(store, schema_or_none), {"name": ["b", "d", "a"], "x": [5.0, 6.0, 7.0]})
    assert dict(zip(plain(store).name.values, plain(store).x.values, strict=True)) == {
        "a": 7.0,
        "b": 5.0,
        "cc": 2.0,
        "d": 6.0,
    }


def test_array_of_a_type_that_no_schema_can_name_is_not_extended(new_store):
    del new_store.group()["count"]
    new_store.array("count", np.array([1, 2, 3], dtype="int16"), ["time"], 0, unit="dimensionless")
    node = opened(new_store)
    assert node.dataset["count"].values.tolist() == [1, 2, 3]
    with pytest.raises(UpdateRefusedError, match="site/count: stored as int16"):
        update(node, row(30, count=4))
