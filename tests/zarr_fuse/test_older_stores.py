from __future__ import annotations

import contextlib
import copy
import warnings

import numpy as np
import polars as pl
import pytest
import xarray as xr

from tests.faults.switch import DiedError
from tests.zarr_fuse.older_stores import (
    NEW_SCHEMA,
    OLD_SCHEMA,
    OlderStore,
    new_generation,
    older_generation,
)
from zarr_fuse import open_store
from zarr_fuse.errors import CorruptStoreError, SchemaWarning, StorageError, UpdateRefusedError

NO_NUMBER = np.iinfo(np.int64).min


@pytest.fixture
def new_store(tmp_path):
    return new_generation(tmp_path / "river.zarr")


@pytest.fixture
def old_store(tmp_path):
    return older_generation(tmp_path / "river.zarr")


def opened(store: OlderStore, schema=None, **options):
    """The node `site`, opened without complaints about units."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*parsnip.*")
        return open_store(schema, STORE_URL=store.url, **options)["site"]


def update(node, frame):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*parsnip.*")
        return node.update(pl.DataFrame(frame))


def plain(store: OlderStore, **how):
    """The node as plain xarray reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_zarr(store.folder, group="site", chunks=None, **how).load()


def seconds(dataset):
    return dataset.time.values.astype("datetime64[s]").astype(int).tolist()


def row(time, level=None, count=None, note=None):
    columns = {"time": [time], "level": [level], "count": [count], "note": [note]}
    return {name: values for name, values in columns.items() if values != [None]}


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


# Times.


def times(store, values, units, dtype=np.int64, **more):
    """Store the times 0 h, 1 h, 2 h in other words."""
    del store.group()["time"]
    attributes = {"units": units, "calendar": "proleptic_gregorian", **more}
    store.array("time", np.array(values, dtype=dtype), ["time"], 0, **attributes)


ENCODINGS = [
    ([0, 1, 2], "hours since 1970-01-01", np.int64),
    ([-1, 0, 1], "hours since 1970-01-01T01:00:00", np.int64),
    ([0.0, 1.0, 2.0], "hours since 1970-01-01", np.float64),
    ([0, 60, 120], "minutes since 1970-01-01", np.int32),
    ([0, 3_600_000, 7_200_000], "milliseconds since 1970-01-01", np.int64),
]


@pytest.mark.parametrize("schema", [None, NEW_SCHEMA])
@pytest.mark.parametrize(("values", "units", "dtype"), ENCODINGS)
def test_time_encoding_is_kept_for_labels_it_can_hold(new_store, schema, values, units, dtype):
    times(new_store, values, units, dtype)
    node = opened(new_store, schema)
    update(node, row(7200, level=5.0))
    update(node, {"time": [1800 * 6, 5400 * 4], "level": [6.0, 7.0]})
    data = plain(new_store)
    assert seconds(data) == [0, 3600, 7200, 10800, 21600]
    assert data.level.values.tolist() == [0.0, 1.0, 5.0, 6.0, 7.0]
    assert new_store.raw("time").attrs["units"] == units
    assert new_store.raw("time").dtype == dtype


@pytest.mark.parametrize(("values", "units", "dtype"), ENCODINGS[:2] + ENCODINGS[3:4])
def test_label_that_the_encoding_cannot_hold_counts_the_axis_anew(new_store, values, units, dtype):
    times(new_store, values, units, dtype)
    node = opened(new_store)
    update(node, {"time": [5401, 10801], "level": [5.0, 6.0]})
    for _ in range(2):
        data = plain(new_store)
        assert seconds(data) == [0, 3600, 5401, 7200, 10801]
        assert data.level.values.tolist() == [0.0, 1.0, 5.0, 2.0, 6.0]
        assert new_store.raw("time").attrs["units"] == "seconds since 1970-01-01"
        assert new_store.raw("time").dtype == np.int64
        update(opened(new_store), row(5401, level=5.0))


def test_times_that_nobody_can_read_are_said_to_be_corrupt(new_store):
    times(new_store, [0, 1, 2], "moons since the flood")
    with pytest.raises(CorruptStoreError, match="moons"):
        update(opened(new_store), row(30, level=1.0))


# Order.


def test_axis_out_of_order_is_put_in_order_by_the_first_update(tmp_path):
    store = new_generation(tmp_path / "river.zarr", [20, 0, 30, 10])
    node = opened(store)
    assert seconds(node.dataset) == [20, 0, 30, 10]
    with pytest.warns(UserWarning, match="time is out of order"):
        update(node, row(15, level=9.0))
    update(node, row(5, level=8.0))
    data = plain(store)
    assert seconds(data) == [0, 5, 10, 15, 20, 30]
    assert data.level.values.tolist() == [1.0, 8.0, 3.0, 9.0, 0.0, 2.0]
    assert data["count"].values.tolist() == [1, NO_NUMBER, 3, NO_NUMBER, 0, 2]


def test_equal_labels_become_one_with_the_values_of_the_later_position_first(tmp_path):
    store = new_generation(tmp_path / "river.zarr", [20, 0, 20, 0, 20])
    store.raw("level")[:] = [1.0, 2.0, 3.0, np.nan, np.nan]
    with pytest.warns(UserWarning, match="out of order"):
        update(opened(store), row(0, note="zz"))
    data = plain(store)
    assert seconds(data) == [0, 20]
    assert data.level.values.tolist() == [2.0, 3.0]
    assert data["count"].values.tolist() == [3, 4]
    assert data.note.values.tolist() == ["zz", "bb"]
    update(opened(store), row(30, level=4.0))
    assert plain(store)["count"].values.tolist() == [3, 4, NO_NUMBER]


def test_chunks_that_an_axis_loses_by_its_order_never_come_back(tmp_path):
    store = OlderStore(tmp_path / "river.zarr")
    new_generation(store.folder, [5, 5])
    store.extend(4, {"time": [5, 4, 5, 4], "level": 7.0, "count": 7, "note": "x"})
    with pytest.warns(UserWarning, match="out of order"):
        update(opened(store), row(4, level=1.0))
    assert seconds(plain(store)) == [4, 5]
    update(opened(store), {"time": [6, 7, 8], "level": [0.5, None, None]})
    assert np.array_equal(plain(store).level.values, [1.0, 7.0, 0.5, np.nan, np.nan], equal_nan=True)
    assert plain(store)["count"].values.tolist() == [7, 7, *[NO_NUMBER] * 3]


def test_axis_out_of_order_in_another_encoding_is_put_in_order_too(tmp_path):
    store = new_generation(tmp_path / "river.zarr")
    times(store, [2, 0, 1], "hours since 1970-01-01")
    with pytest.warns(UserWarning, match="out of order"):
        update(opened(store), row(3600, level=9.0))
    assert seconds(plain(store)) == [0, 3600, 7200]
    assert plain(store).level.values.tolist() == [1.0, 9.0, 0.0]
    assert store.raw("time")[:].tolist() == [0, 1, 2]


# Existing writers on stores of ours.


@pytest.fixture
def own_store(tmp_path):
    store = OlderStore(tmp_path / "river.zarr")
    root = open_store(NEW_SCHEMA, STORE_URL=store.url)
    with root.transaction(item_ids=["first"]) as transaction:
        transaction["site"].update(pl.DataFrame({**row(0, level=1.0, count=1, note="a")}))
    return store


GROWN = {"time": [10, 20], "level": [2.0, 3.0], "count": [2, 3], "note": ["b", "c"]}


def test_existing_writers_extend_a_store_of_ours_and_their_work_is_taken_over(own_store):
    own_store.extend(2, GROWN)
    own_store.rewrite_attributes()
    root = open_store(NEW_SCHEMA, STORE_URL=own_store.url)
    assert seconds(root["site"].dataset) == [0, 10, 20]
    assert root.ledger.contains(["first", "second"]) == {"first"}
    with root.transaction(item_ids=["second"]) as transaction:
        transaction["site"].update(pl.DataFrame(row(15, level=9.0)))
    for consolidated in (True, False):
        data = plain(own_store, consolidated=consolidated)
        assert seconds(data) == [0, 10, 15, 20]
        assert data.level.values.tolist() == [1.0, 2.0, 9.0, 3.0]
        assert data["count"].values.tolist() == [1, 2, NO_NUMBER, 3]
    assert open_store(None, STORE_URL=own_store.url).ledger.contains(["first", "second"]) == {
        "first",
        "second",
    }


def test_arrays_that_grew_under_our_metadata_are_taken_over_by_the_next_update(own_store):
    own_store.extend(2, {**GROWN, "time": [20, 10]})
    with pytest.warns(UserWarning, match="out of order"):
        update(opened(own_store), row(15, level=9.0))
    assert seconds(plain(own_store)) == [0, 10, 15, 20]
    assert plain(own_store).level.values.tolist() == [1.0, 3.0, 9.0, 2.0]


@pytest.mark.parametrize("rewritten", [False, True])
def test_arrays_that_disagree_on_an_axis_are_said_to_be_corrupt(own_store, rewritten):
    own_store.raw("level").resize((3,))
    if rewritten:
        own_store.rewrite_attributes()

    def act():
        update(opened(own_store, NEW_SCHEMA), row(15, level=9.0))

    with pytest.raises(CorruptStoreError, match="site: along time count has length 1, level 3"):
        act()
    with pytest.raises(CorruptStoreError):
        act()


def test_arrays_of_an_existing_store_that_disagree_are_said_to_be_corrupt(new_store):
    new_store.raw("level").resize((5,))
    with pytest.raises(CorruptStoreError, match="level 5"):
        update(opened(new_store), row(30, level=1.0))


def test_array_and_node_that_another_program_added_are_taken_over(own_store):
    own_store.array("speed", [4.5], ["time"], 0.0, unit="m/s")
    own_store.rewrite_attributes()
    node = opened(own_store)
    update(node, {**row(10, level=2.0), "speed": [5.5]})
    assert plain(own_store, consolidated=True).speed.values.tolist() == [4.5, 5.5]


def test_lost_stamp_does_not_bring_earlier_transactions_back(own_store):
    node = opened(own_store)
    update(node, row(0, level=5.0))
    update(node, row(10, level=6.0))
    own_store.extend(1, {"time": [30], "level": [7.0], "count": [7], "note": ["z"]})
    own_store.rewrite_attributes()
    node = opened(own_store)
    assert seconds(node.dataset) == [0, 10, 30]
    update(node, row(40, level=8.0))
    assert plain(own_store).level.values.tolist() == [5.0, 6.0, 7.0, 8.0]


# Interruptions.


def disordered(folder):
    """Everything that the first update has to put right at once."""
    store = new_generation(folder, [7200, 0, 7200])
    del store.group()["time"]
    attributes = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian"}
    store.array("time", np.array([2, 0, 2]), ["time"], 0, **attributes)


FAULTS = ["before", "after", "lost", "refused"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("make", "times"),
    [(new_generation, [15, 40]), (new_generation, [30]), (disordered, [1800, 9000]), (disordered, [3600])],
)
def test_first_update_of_an_existing_store_is_whole_or_absent(
    make, times, fault, tmp_path, monkeypatch, request
):
    river = request.getfixturevalue("survey").__class__
    frame = pl.DataFrame({"time": times, "level": [5.0] * len(times), "note": ["n"] * len(times)})

    make(tmp_path)
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    contents = {key: path.read_bytes() for key, path in files.items()}

    def started():
        survey = river(monkeypatch)
        for key, data in contents.items():
            survey.storage.put(key, data)
        return survey

    def merge(survey):
        with survey.open(None).transaction(item_ids=["item"]) as transaction, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transaction["site"].update(frame)

    def shown(survey):
        data = survey.open(None, MODE="r")["site"].dataset.load()
        cells = (data.level.values, data["count"].values, data.note.values)
        return seconds(data), [np.array(values).astype(str).tolist() for values in cells]

    survey = started()
    before = shown(survey)
    survey.storage.switch.heal()
    merge(survey)
    after, calls = shown(survey), survey.storage.switch.calls
    for call in range(1 + FAULTS.index(fault), calls + 1, len(FAULTS)):
        survey = started()
        survey.storage.switch.plan(call, fault)
        with contextlib.suppress(DiedError, StorageError):
            merge(survey)
        survey.restart()
        committed = survey.open(None).ledger.contains(["item"]) == {"item"}
        assert shown(survey) == (after if committed else before), (call, committed)
        if not committed:
            merge(survey)
        assert shown(survey) == after, call
