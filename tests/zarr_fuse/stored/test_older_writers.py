"""Existing writers on stores of ours."""

from __future__ import annotations

import polars as pl
import pytest

from tests.zarr_fuse.older_nodes import NO_NUMBER, opened, plain, row, seconds, update
from tests.zarr_fuse.older_stores import NEW_SCHEMA, OlderStore
from zarr_fuse import open_store
from zarr_fuse.errors import CorruptStoreError


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
