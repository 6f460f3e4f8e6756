from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zarr_fuse.merging.places import codes_of, place_labels

NONE = np.empty(0, dtype=np.int64)
numbers = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53).map(float)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_label_of_a_numeric_place_is_the_hash_of_the_tuple_of_floats(places):
    for place in places:
        label = place_labels([np.array([value]) for value in place], NONE)
        assert label.tolist() == [hash(place)]


def test_places_whose_hashes_collide_get_different_labels():
    assert hash((-1.0,)) == hash((-2.0,))
    labels = place_labels([np.array([-1.0, -2.0])], NONE)
    assert labels[0] == hash((-1.0,))
    assert labels[1] == labels[0] + 1


def test_label_taken_by_a_stored_place_is_not_used_again():
    taken = np.array([hash((49.5, 16.25)), hash((49.5, 16.25)) + 1])
    label = place_labels([np.array([49.5]), np.array([16.25])], taken)
    assert label.tolist() == [hash((49.5, 16.25)) + 2]


def test_labels_of_text_and_time_places_are_the_same_in_every_process_and_release():
    text, time = np.array(["Brno", "Plzeň"], dtype="<U8"), np.array([0, -1])
    assert place_labels([text, time], NONE).tolist() == [-8951233454263177621, -645910339235190222]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=30))
def test_codes_number_tuples_by_first_appearance(rows):
    codes, first = codes_of([np.array([row[0] for row in rows]), np.array([row[1] for row in rows])])
    order = list(dict.fromkeys(rows))
    assert [order[code] for code in codes] == rows
    assert [rows[row] for row in first] == order
