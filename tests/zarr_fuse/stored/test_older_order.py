"""Axes of existing writers that are out of order."""

from __future__ import annotations

import numpy as np
import pytest

from tests.zarr_fuse.older_nodes import NO_NUMBER, opened, plain, row, seconds, times, update
from tests.zarr_fuse.older_stores import OlderStore, new_generation


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
