from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_fuse.errors import CorruptStoreError
from zarr_fuse.stored.chunks import StoredArray, new_document
from zarr_fuse.stored.time_encoding import encoding_of
from zarr_fuse.units import DateTimeUnit
from zarr_fuse.values.times import NAT

UNITS = [
    "days since 1900-01-01",
    "hours since 2000-01-01 06:30",
    "minutes since 1970-01-01T00:00:00Z",
    "seconds since 2024-02-29 12:00:00",
    "milliseconds since 1970-01-01",
    "nanoseconds since 1970-01-01",
]


def encoding(units, tick, dtype="int64", calendar="proleptic_gregorian"):
    attributes = {"units": units, "calendar": calendar}
    document = new_document(
        shape=(1,), chunks=(1,), shards=None, dtype=np.dtype(dtype), fill=0, dims=["t"], attributes=attributes
    )
    return encoding_of(StoredArray("site/t", document), DateTimeUnit(tick))


def test_own_counts_need_no_encoding():
    assert encoding("seconds since 1970-01-01", "s") is None
    assert encoding("seconds since 1970-01-01 00:00:00", "s") is None
    assert encoding("second since 1970-01-01T00:00:00", "s") is None


@pytest.mark.parametrize(
    ("units", "count", "time"),
    [
        ("days since 1900-01-01", 1, "1900-01-02"),
        ("hours since 2000-01-01 06:30", -1, "2000-01-01T05:30"),
        ("milliseconds since 1970-01-01", -1, "1969-12-31T23:59:59"),
    ],
)
def test_counts_mean_times(units, count, time):
    ticks = encoding(units, "s").decode(np.array([count]))
    assert ticks.view("datetime64[s]")[0] == np.datetime64(time)


@given(st.sampled_from(UNITS), st.sampled_from(["D", "h", "m", "s", "ms", "us"]), st.data())
def test_what_an_encoding_holds_comes_back_exactly(units, tick, data):
    times = data.draw(st.lists(st.integers(-(2**40), 2**40) | st.just(NAT), min_size=1, max_size=5))
    found = encoding(units, tick, data.draw(st.sampled_from(["int64", "float64"])))
    ticks = np.array(times)
    if found is not None and found.holds(ticks):
        assert found.decode(found.encode(ticks)).tolist() == times


def test_encoding_says_what_it_cannot_hold():
    hours = encoding("hours since 1970-01-01", "s")
    assert hours.holds(np.array([3600, NAT]))
    assert not hours.holds(np.array([3601]))
    narrow = encoding("seconds since 1970-01-01", "s", "int32")
    assert narrow.holds(np.array([2**31 - 1]))
    assert not narrow.holds(np.array([2**31]))
    assert not narrow.holds(np.array([NAT]))
    assert not encoding("nanoseconds since 1970-01-01", "s").holds(np.array([2**40]))


@pytest.mark.parametrize(
    ("units", "calendar"), [("moons since the flood", "standard"), ("days since 2000-01-01", "360_day")]
)
def test_unreadable_times_are_an_error(units, calendar):
    with pytest.raises(CorruptStoreError, match="site/t"):
        encoding(units, "s", calendar=calendar)
