"""A transaction of format icechunk that ends at any call."""

from __future__ import annotations

import pytest

from tests.faults.switch import DiedError
from tests.zarr_fuse.rivers import IcechunkRiver
from tests.zarr_fuse.scenarios import SCENARIOS, assert_whole_or_absent, call_count, merge, started
from zarr_fuse.errors import StorageError


@pytest.mark.parametrize("fault", ["before", "after", "lost", "refused"])
@pytest.mark.parametrize("scenario", ["first write", "overwrite and append", "two nodes", "nothing new"])
def test_interrupted_transaction_is_whole_or_absent_and_its_repetition_ends_as_if_never_interrupted(
    scenario, fault, monkeypatch
):
    for call in range(1, call_count(IcechunkRiver(monkeypatch), scenario) + 1):
        survey = IcechunkRiver(monkeypatch)
        root, before, after = started(survey, scenario)
        survey.storage.switch.plan(call, fault)
        try:
            merge(root, SCENARIOS[scenario], "item")
            interrupted = False
        except (DiedError, StorageError):
            interrupted = True
        survey.restart()
        if not (interrupted and fault in {"lost", "refused"} and call % 2):
            root = survey.open()
        assert assert_whole_or_absent(survey, root, scenario, before, after) or interrupted
