"""A transaction of format icechunk that ends at any call."""

from __future__ import annotations

import pytest

from tests.faults.switch import DiedError
from tests.zarr_fuse import test_interruptions as interruptions
from tests.zarr_fuse.rivers import IcechunkRiver
from zarr_fuse.errors import AlreadyMergedError, StorageError


@pytest.mark.parametrize("fault", ["before", "after", "lost", "refused"])
@pytest.mark.parametrize("scenario", ["first write", "overwrite and append", "two nodes", "nothing new"])
def test_interrupted_transaction_is_whole_or_absent_and_its_repetition_ends_as_if_never_interrupted(
    scenario, fault, monkeypatch
):
    for call in range(1, interruptions.call_count(IcechunkRiver(monkeypatch), scenario) + 1):
        survey = IcechunkRiver(monkeypatch)
        root, before, after = interruptions.started(survey, scenario)
        survey.storage.switch.plan(call, fault)
        try:
            interruptions.merge(root, interruptions.SCENARIOS[scenario], "item")
            interrupted = False
        except (DiedError, StorageError):
            interrupted = True
        survey.restart()
        if not (interrupted and fault in {"lost", "refused"} and call % 2):
            root = survey.open()
        committed = root.ledger.contains(["item"]) == {"item"}
        assert committed or interrupted
        assert interruptions.holds(survey, after if committed else before), (call, committed)
        if committed:
            with pytest.raises(AlreadyMergedError):
                interruptions.merge(root, interruptions.SCENARIOS[scenario], "item")
        else:
            interruptions.merge(root, interruptions.SCENARIOS[scenario], "item")
        assert interruptions.holds(survey, after), call
