from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zarr_fuse.storages import in_memory
from zarr_fuse.merging.axes import SortedAxis, UnsortedAxis
from zarr_fuse.stored.chunks import StoredArray, new_document
from zarr_fuse.stored.reader import ChunkReader

labels = st.lists(st.integers(-50, 50), max_size=12)


def stored_vector(objects, layout, name, values, dtype="int64", chunk=3):
    document = new_document(
        shape=(len(values),),
        chunks=(chunk,),
        shards=None,
        dtype=np.dtype(dtype),
        fill=np.dtype(dtype).type(),
        dims=[name],
        attributes={},
    )
    array = StoredArray(name, document)
    for place in range(0, len(values), chunk):
        cells = array.full(0)
        part = values[place : place + chunk]
        cells[: len(part)] = part
        objects.put(layout.chunk(name, (place // chunk,)), array.encode(cells))
    return array


def sorted_axis(values, objects=None, layout=None):
    if objects is None:
        objects, layout = in_memory()
    array = stored_vector(objects, layout, "time", values) if values else None
    return SortedAxis(array, ChunkReader(objects, layout), np.dtype("int64"))


@given(st.sets(st.integers(-50, 50), max_size=12).map(sorted), st.lists(labels, max_size=4))
def test_sorted_axis_ends_as_the_sorted_union_with_every_row_at_its_label(stored, frames):
    axis = sorted_axis(stored)
    rows = [(frame, axis.resolve([np.array(frame, dtype=np.int64)])) for frame in frames if frame]
    union = sorted({*stored, *(label for frame in frames for label in frame)})
    assert axis.size == len(union)
    for frame, ids in rows:
        assert [union[place] for place in axis.final(ids)] == frame
    places, new = axis.inserted()
    assert dict(zip(places.tolist(), new.tolist(), strict=True)) == {
        place: label for place, label in enumerate(union) if label not in stored
    }
    sources = axis.sources(0, axis.size)
    assert [stored[source] if source >= 0 else None for source in sources] == [
        label if label in stored else None for label in union
    ]


@given(st.sets(st.integers(-50, 50), min_size=1, max_size=12).map(sorted), labels)
def test_sorted_axis_moves_stored_labels_only_behind_the_first_insertion(stored, frame):
    axis = sorted_axis(stored)
    axis.resolve([np.array(frame, dtype=np.int64)])
    late = [label for label in frame if label < stored[-1] and label not in stored]
    expected = sum(label < min(late) for label in stored) if late else None
    assert axis.first_move == expected


def test_sorted_axis_knows_stored_and_added_labels_alike():
    axis = sorted_axis([10, 20, 30, 40])
    axis.resolve([np.array([25])])
    assert axis.known([np.array([25, 20, 21, 40, 41])]).tolist() == [True, True, False, True, False]


@pytest.mark.parametrize("length", [1_000, 100_000])
def test_finding_a_label_reads_a_number_of_chunks_that_follows_the_logarithm_of_the_axis(length):
    objects, layout = in_memory()
    axis = sorted_axis(list(range(0, 2 * length, 2)), objects, layout)
    before = objects.requests
    assert axis.resolve([np.array([2 * length])])[0] == length
    assert objects.requests - before == 1
    axis.resolve([np.array([length + 1])])
    assert objects.requests - before < 3 + np.log2(length)


def unsorted_axis(components, labels, dtypes):
    objects, layout = in_memory()
    keys = [
        stored_vector(objects, layout, f"c{place}", values, dtype)
        for place, (values, dtype) in enumerate(zip(components, dtypes, strict=True))
    ]
    array = stored_vector(objects, layout, "place", labels)
    return UnsortedAxis(
        array, ChunkReader(objects, layout), keys, [np.dtype(dtype) for dtype in dtypes], composed=True
    )


def test_composed_axis_finds_places_by_their_components_and_appends_new_ones_in_order_of_appearance():
    axis = unsorted_axis([[1.0, 2.0], [5.0, 5.0]], [77, 78], ["float64", "float64"])
    ids = axis.resolve([np.array([3.0, 2.0, 3.0, 1.0, 0.0]), np.array([5.0, 5.0, 5.0, 5.0, 5.0])])
    assert ids.tolist() == [2, 1, 2, 0, 3]
    assert axis.resolve([np.array([0.0, 9.0]), np.array([5.0, 9.0])]).tolist() == [3, 4]
    places, labels = axis.inserted()
    assert places.tolist() == [2, 3, 4]
    assert labels.tolist() == [hash((3.0, 5.0)), hash((0.0, 5.0)), hash((9.0, 9.0))]
    assert axis.first_move is None


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True),
    st.lists(st.lists(st.sampled_from(list("abcdef")), min_size=1)),
)
def test_unsorted_axis_keeps_stored_labels_first_and_new_ones_in_order_of_appearance(stored, frames):
    objects, layout = in_memory()
    array = stored_vector(objects, layout, "site", stored, "<U4") if stored else None
    axis = UnsortedAxis(array, ChunkReader(objects, layout), [array], [np.dtype("<U4")], composed=False)
    expected = list(dict.fromkeys([*stored, *(label for frame in frames for label in frame)]))
    for frame in frames:
        assert [expected[place] for place in axis.resolve([np.array(frame, dtype="<U4")])] == frame
    assert axis.inserted()[1].tolist() == expected[len(stored) :]
    assert json.dumps(axis.size) == json.dumps(len(expected))
