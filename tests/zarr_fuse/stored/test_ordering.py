from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zarr_fuse.stored.chunks import StoredArray, new_document
from zarr_fuse.stored.ordering import gathered, order_of

labels = st.lists(st.integers(0, 6), min_size=1, max_size=9)


def stored(shape, chunks):
    document = new_document(
        shape=shape,
        chunks=chunks,
        shards=None,
        dtype=np.dtype("float64"),
        fill=np.nan,
        dims=["t", "g"],
        attributes={},
    )
    return StoredArray("x", document)


def test_ascending_labels_need_no_order():
    assert order_of(np.array([1, 2, 5])) is None
    assert order_of(np.array([7])) is None
    assert order_of(np.array([], dtype=np.int64)) is None
    assert order_of(np.array(["b", "a"])).size == 2


@given(labels, labels, st.data())
def test_cells_go_with_their_labels_and_the_later_of_equal_labels_wins(times, places, data):
    cells = np.array([[data.draw(st.sampled_from([np.nan, 1.0, 2.0, 3.0])) for _ in places] for _ in times])
    steps = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    array = stored(cells.shape, steps)

    def read(index):
        chunk = array.full(np.nan)
        part = cells[tuple(slice(at * step, (at + 1) * step) for at, step in zip(index, steps, strict=True))]
        chunk[: part.shape[0], : part.shape[1]] = part
        return chunk

    orders = [order_of(np.array(axis)) or (0, len(axis)) for axis in (times, places)]
    found = gathered(array, orders, np.nan, read)
    expected = {}
    for row, time in enumerate(times):
        for column, place in enumerate(places):
            expected.setdefault((time, place), []).append(cells[row, column])
    for row, time in enumerate(sorted(set(times))):
        for column, place in enumerate(sorted(set(places))):
            values = [value for value in expected[time, place] if not np.isnan(value)]
            assert found[row, column] == values[-1] if values else np.isnan(found[row, column])
