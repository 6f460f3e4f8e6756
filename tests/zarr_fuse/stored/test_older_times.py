"""Times that existing writers count in their own way."""

from __future__ import annotations

import numpy as np
import pytest

from tests.zarr_fuse.older_nodes import opened, plain, row, seconds, times, update
from tests.zarr_fuse.older_stores import NEW_SCHEMA
from zarr_fuse.errors import CorruptStoreError

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
