"""One table, cut into frames in any way and order: the dataset is the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from tests.zarr_fuse import river
from tests.zarr_fuse.rivers import River

cells = st.tuples(st.integers(-5, 40), st.sampled_from([1.0, -1.0, -2.0]), st.sampled_from([0.0, 7.5]))


def row(cell, number):
    when, east, north = cell
    return {
        "when": when,
        "east": east,
        "north": north,
        "stage": number / 3,
        "count": number,
        "note": f"n{number}"[:4],
        "owner": f"{east}"[:4],
        "state": "good" if number % 2 else "bad",
    }


def merged(frames, *, together):
    """The node after these frames, its places in the order of their components and without their labels."""
    with pytest.MonkeyPatch.context() as patch:
        survey = River(patch)
        node = survey.open()["upper"]
        if together:
            with node.root.transaction() as transaction:
                for rows in frames:
                    transaction["upper"].update(river.frame("upper", rows))
        else:
            for rows in frames:
                node.update(river.frame("upper", rows))
        data = survey.dataset("upper")
        if not data.variables:
            return data
        order = np.lexsort([data.east.values, data.north.values])
        return data.drop_vars("gauge").isel(gauge=order)


@settings(max_examples=examples(25))
@given(st.data())
def test_cuts_and_order_of_the_frames_do_not_matter(data):
    rows = [row(cell, number) for number, cell in enumerate(data.draw(st.sets(cells, max_size=30)))]
    whole = merged([rows], together=False)
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    bounds = [0, *cuts, len(rows)]
    frames = [shuffled[start:stop] for start, stop in itertools.pairwise(bounds)]
    cut = merged(frames, together=data.draw(st.booleans()))
    xr.testing.assert_identical(cut, whole)
