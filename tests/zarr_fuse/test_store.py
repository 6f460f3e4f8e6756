from __future__ import annotations

import contextlib
import datetime as dt
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
import xarray as xr

from tests.zarr_fuse import river
from zarr_fuse import open_store, remove_store
from zarr_fuse.errors import (
    AlreadyMergedError,
    NodeNotFoundError,
    ReadOnlyError,
    SchemaConflictError,
    SchemaWarning,
    StoreNotFoundError,
    TransactionError,
    UpdateRefusedError,
)
from zarr_fuse.schema import DatasetSchema, NodeSchema, deserialize

AXIS = {"t": {"unit": {"tick": "s"}, "chunk_size": 3}}


def simple(**variables):
    return {
        "n": {
            "VARS": {name: {"unit": unit, "coords": "t"} for name, unit in variables.items()},
            "COORDS": AXIS,
        }
    }


def column(start, count=2, **values):
    times = list(range(start, start + count))
    return pl.DataFrame({"t": times, **{name: [float(value)] * count for name, value in values.items()}})


def test_opening_creates_the_groups_and_nothing_else(tmp_path):
    open_store(river.SCHEMA, STORE_URL=str(tmp_path / "river.zarr"))
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    groups = ("", "upper/", "lower/", "lower/weir/", "tide/")
    assert files == {f"river.zarr/{group}zarr.json" for group in groups}


def test_every_node_opens_with_plain_xarray_by_the_path_alone(tmp_path):
    root = open_store(simple(x="m"), STORE_URL=str(tmp_path / "river.zarr"))
    root["n"].update(column(0, x=1))
    dataset = xr.open_zarr(tmp_path / "river.zarr", group="n", chunks=None)
    assert dataset.x.values.tolist() == [1.0, 1.0]
    assert dataset.t.dtype.kind == "M"
    assert xr.open_zarr(tmp_path / "river.zarr", group="n", consolidated=False, chunks=None).equals(dataset)


def test_tree_is_walked_by_name_and_by_path_and_gives_the_same_nodes(survey):
    root = survey.open()
    assert list(root.children) == ["lower", "tide", "upper"]
    assert root["lower/weir"] is root["lower"]["weir"]
    assert (root["lower/weir"].name, root["lower/weir"].group_path) == ("weir", "lower/weir")
    assert root["lower/weir"].root is root
    assert root["lower/weir"].parent is root["lower"]
    with pytest.raises(NodeNotFoundError, match="lower/dam"):
        root["lower/dam"]


def test_stored_schema_is_enough_to_open_and_extend(survey):
    survey.open(simple(x="m"))["n"].update(column(0, x=1))
    survey.open(None)["n"].update(column(2, x=2))
    assert survey.dataset("n").x.values.tolist() == [1.0, 1.0, 2.0, 2.0]


def test_one_line_of_text_may_name_the_file_of_the_schema(survey, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "river.yaml").write_text(river.SCHEMA)
    (tmp_path / "river").write_text(river.SCHEMA)
    for name in ("river.yaml", "river", str(tmp_path / "river.yaml")):
        assert list(survey.open(name).children) == ["lower", "tide", "upper"]
    with pytest.raises(FileNotFoundError):
        survey.open("absent.yaml")


def test_missing_store_is_an_error_when_it_may_not_be_created(survey, tmp_path):
    with pytest.raises(StoreNotFoundError):
        survey.open(None)
    with pytest.raises(StoreNotFoundError):
        open_store(simple(x="m"), STORE_URL=str(tmp_path / "no.zarr"), MODE="r")
    assert not list(tmp_path.iterdir())


def test_mode_r_writes_nothing(survey):
    survey.open(simple(x="m"))["n"].update(column(0, x=1))
    before = survey.objects().keys(), survey.sidecar().keys()
    node = survey.open(simple(x="m"), MODE="r")["n"]
    assert node.dataset.x.values.tolist() == [1.0, 1.0]
    for write in (lambda: node.update(column(2, x=2)), lambda: node.transaction()):
        with pytest.raises(ReadOnlyError):
            write()
    assert (survey.objects().keys(), survey.sidecar().keys()) == before


def test_new_variable_is_added_and_reads_missing_at_the_old_labels(survey):
    survey.open(simple(x="m"))["n"].update(column(0, x=1))
    node = survey.open(simple(x="m", y="m"))["n"]
    assert np.isnan(survey.dataset("n").y.values).all()
    node.update(column(1, y=5))
    data = survey.dataset("n")
    assert data.x.values[:2].tolist() == [1.0, 1.0]
    assert np.array_equal(data.y.values, [np.nan, 5.0, 5.0], equal_nan=True)


def test_schemas_of_one_store_add_up(survey):
    survey.open(simple(x="m"))["n"].update(column(0, x=1))
    with pytest.warns(SchemaWarning, match="lacks: n$"):
        survey.open({"other": simple(y="m")["n"]})["other"].update(column(0, y=2))
    with pytest.warns(SchemaWarning, match="lacks: n/x, other$"):
        survey.open(simple(z="m"))["n"].update(column(0, z=3))
    assert set(survey.dataset("n").data_vars) == {"x", "z"}
    assert survey.dataset("other").y.values.tolist() == [2.0, 2.0]
    assert sorted(survey.open(None).children) == ["n", "other"]


def test_contradicting_schema_is_refused_with_every_difference(survey):
    survey.open(simple(x="m", y="m"))["n"].update(column(0, x=1, y=1))
    changed = simple(x="K", y="m")
    changed["n"]["COORDS"] = {"t": {**AXIS["t"], "chunk_size": 7}}
    with pytest.raises(SchemaConflictError) as refused:
        survey.open(changed)
    assert len(refused.value.differences) == 2
    assert any("x/unit" in line for line in refused.value.differences)
    assert any("t/chunk_size" in line for line in refused.value.differences)


def test_frames_of_a_transaction_merge_in_order_and_appear_at_once(survey):
    root = survey.open()
    rows = [{"when": 0, "east": 1.0, "north": 0.0, "stage": 1.0}]
    with root.transaction(item_ids=["a"]) as transaction:
        transaction["upper"].update(river.frame("upper", rows))
        transaction["upper"].update(river.frame("upper", [{**rows[0], "stage": 2.0}]))
        assert not survey.dataset("upper").variables
    assert survey.dataset("upper").stage.values.tolist() == [[2.0]]
    assert len(transaction.reports) == 2
    assert transaction.reports[0].snapshot == root.history()[0].snapshot


def test_refused_frame_adds_nothing_and_leaves_the_transaction_usable(survey):
    root = survey.open(simple(x="m"))
    with root.transaction() as transaction:
        with pytest.raises(UpdateRefusedError):
            transaction["n"].update(pl.DataFrame({"x": [1.0]}))
        transaction["n"].update(column(0, x=1))
    assert survey.dataset("n").x.values.tolist() == [1.0, 1.0]


def test_exception_that_leaves_the_block_discards_everything(survey):
    root = survey.open(simple(x="m"))
    with contextlib.suppress(ZeroDivisionError), root.transaction(item_ids=["a"]) as transaction:
        transaction["n"].update(column(0, x=1))
        raise ZeroDivisionError
    assert not survey.dataset("n").variables
    assert root.ledger.contains(["a"]) == set()
    root["n"].update(column(0, x=2))
    assert survey.dataset("n").x.values.tolist() == [2.0, 2.0]


def test_merged_items_are_refused_before_anything_is_written(survey):
    root = survey.open(simple(x="m"))
    with root.transaction(item_ids=["a", "b"]) as transaction:
        transaction["n"].update(column(0, x=1))
    with pytest.raises(AlreadyMergedError) as refused, root.transaction(item_ids=["b", "c"]):
        pytest.fail("the block must not run")
    assert refused.value.item_ids == ("b",)
    assert survey.open(None).ledger.contains(["a", "b", "c"]) == {"a", "b"}


def test_one_transaction_at_a_time_and_none_after_its_end(survey):
    root = survey.open(simple(x="m"))
    with root.transaction() as transaction, pytest.raises(TransactionError):
        root["n"].update(column(0, x=1))
    with pytest.raises(TransactionError):
        transaction["n"].update(column(0, x=1))


def test_single_writer_needs_no_lock(survey):
    node = survey.open(simple(x="m"), WRITERS="one")["n"]
    for start in (0, 2, 1):
        node.update(column(start, x=start))
    survey.open(simple(x="m"), WRITERS="one")["n"].update(column(9, x=9))
    assert survey.dataset("n").x.values.tolist() == [0.0, 1.0, 1.0, 2.0, 9.0, 9.0]
    assert not [key for key in survey.sidecar() if "/lock/" in key]


@pytest.mark.parametrize("writers", [2, 8])
def test_concurrent_writers_lose_nothing_and_end_sorted(tmp_path, writers):
    url = str(tmp_path / "river.zarr")
    open_store(simple(x="m"), STORE_URL=url)

    def write(writer):
        node = open_store(simple(x="m"), STORE_URL=url)["n"]
        for step in range(4):
            node.update(column(10 * (step * writers + writer), x=writer))

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    data = xr.open_zarr(tmp_path / "river.zarr", group="n", chunks=None)
    expected = {
        10 * (step * writers + writer) + more: writer
        for step in range(4)
        for writer in range(writers)
        for more in (0, 1)
    }
    times = data.t.values.astype("datetime64[s]").astype(int).tolist()
    assert times == sorted(expected)
    assert data.x.values.tolist() == [float(expected[time]) for time in times]


def test_removed_store_is_gone_with_its_sidecar_and_removing_it_again_is_harmless(tmp_path):
    url = str(tmp_path / "river.zarr")
    open_store(simple(x="m"), STORE_URL=url)["n"].update(column(0, x=1))
    remove_store(simple(x="m"), STORE_URL=url)
    assert not list(tmp_path.iterdir())
    remove_store(simple(x="m"), STORE_URL=url)


def test_folder_that_is_no_store_is_not_removed(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(StoreNotFoundError, match="left alone"):
        remove_store(None, STORE_URL=str(tmp_path / "photos"))
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_secrets_reach_neither_store_nor_schema(survey, caplog):
    caplog.set_level(logging.DEBUG)
    schema = {"ATTRS": {"S3_SECRET_KEY": "hush", "title": "River"}, **simple(x="m")}
    with pytest.warns(UserWarning, match="S3 keys"):
        root = survey.open(schema)
    root["n"].update(column(0, x=1))
    objects = {**survey.objects(), **survey.sidecar()}
    assert not any(b"hush" in data for data in objects.values())
    assert "hush" not in repr(root) + str(root.export_schema().form()) + caplog.text
    assert survey.root_attributes()["title"] == "River"


def test_small_update_costs_the_same_requests_on_a_long_axis(survey):
    node = survey.open(simple(x="m"))["n"]
    node.update(column(0, count=5, x=1))
    node.update(column(10, count=1, x=1))
    early = node.update(column(11, count=1, x=1)).requests
    node.update(column(100, count=4000, x=1))
    node.update(column(9000, count=1, x=1))
    assert node.update(column(9001, count=1, x=1)).requests <= early + 1


def test_credentials_inside_options_of_the_schema_are_not_stored_and_dates_are(survey):
    attrs = {
        "S3_OPTIONS": '{"secret": "hush", "region": "eu"}',
        "s3_secret_key": "hush",
        "since": dt.date(2024, 5, 1),
    }
    root = survey.open({"ATTRS": attrs, **simple(x="m")})
    root["n"].update(column(0, x=1))
    objects = {**survey.objects(), **survey.sidecar()}
    assert not any(b"hush" in data for data in objects.values())
    assert survey.open(None).dataset.attrs["since"] == "2024-05-01"
    assert "hush" not in str(root.export_schema().form())


def test_node_and_array_cannot_share_a_name(survey):
    survey.open(simple(x="m"))["n"].update(column(0, x=1))
    with pytest.raises(SchemaConflictError, match="n/x"):
        survey.open({"n": {**simple(y="m")["n"], "x": simple(z="m")["n"]}})
    with pytest.warns(SchemaWarning, match="lacks: n/t, n/x$"):
        survey.open({"n": {"child": simple(z="m")["n"]}})
    with pytest.raises(SchemaConflictError, match="n/child"):
        survey.open(simple(child="m"))


def test_what_a_schema_leaves_open_is_taken_from_the_store(survey):
    survey.open(simple(x="m"))["n"].update(column(0, x=1))
    for axis in ({"t": {"unit": {"tick": "s"}}}, None):
        node = survey.open({"n": {"VARS": {"x": {"unit": "m", "coords": "t"}}, "COORDS": axis}})["n"]
        assert node.schema.COORDS["t"].chunk_size == AXIS["t"]["chunk_size"]
    node.update(column(2, x=2))
    assert survey.dataset("n").x.values.tolist() == [1.0, 1.0, 2.0, 2.0]


def test_what_a_new_schema_lacks_is_kept_and_told():
    whole = river.WIDEST
    open_store(whole, STORE_URL="memory://more")["upper"].update(
        pl.DataFrame({"when": [0], "east": [0.0], "north": [0.0], "stage": [1.0]})
    )
    upper = deserialize(whole).groups["upper"].ds
    kept = {name: upper.VARS[name] for name in ("stage", "east", "north")}
    smaller = NodeSchema(groups={"upper": NodeSchema(ds=DatasetSchema(COORDS=upper.COORDS, VARS=kept))})
    with pytest.warns(SchemaWarning, match="lacks: lower, lower/weir, tide, upper/count, upper/ex"):
        root = open_store(smaller, STORE_URL="memory://more")
    assert "count" in root["upper"].dataset
    assert root["lower/weir"].schema.VARS["flow"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_store(whole, STORE_URL="memory://more")
        open_store(STORE_URL="memory://more")
