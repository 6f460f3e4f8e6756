from __future__ import annotations

import pytest

from tests.faults.switch import DiedError
from zarr_fuse.undoing import undone_on_error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, DiedError])
def test_what_fails_in_any_way_is_undone_once_and_still_fails(error):
    undone = []
    with pytest.raises(error), undone_on_error(lambda: undone.append(1)):
        raise error
    assert undone == [1]


def test_what_succeeds_stays_and_so_does_what_is_left_by_a_return():
    undone = []

    def answer():
        with undone_on_error(lambda: undone.append(1)):
            return 7

    assert answer() == 7
    assert undone == []
