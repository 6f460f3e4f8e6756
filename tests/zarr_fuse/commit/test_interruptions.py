"""What a transaction leaves when any one of its storage calls dies, loses its answer or is refused."""

from __future__ import annotations

import contextlib

import pytest

from tests.faults.switch import DiedError
from tests.zarr_fuse.scenarios import (
    GAUGES,
    SCENARIOS,
    assert_clean,
    assert_whole_or_absent,
    call_count,
    holds,
    merge,
    started,
)
from zarr_fuse.errors import AlreadyMergedError, StorageError


@pytest.mark.parametrize("fault", ["before", "after", "lost", "refused"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_interrupted_transaction_is_whole_or_absent_and_its_repetition_ends_as_if_never_interrupted(
    scenario, fault, monkeypatch, request
):
    make = request.getfixturevalue("survey").__class__
    for call in range(1, call_count(make(monkeypatch), scenario) + 1):
        survey = make(monkeypatch)
        root, before, after = started(survey, scenario)
        survey.storage.switch.plan(call, fault)
        try:
            merge(root, SCENARIOS[scenario], "item")
        except (DiedError, StorageError):
            interrupted = True
        else:
            interrupted = False
        survey.restart()
        root = survey.open()
        assert assert_whole_or_absent(survey, root, scenario, before, after) or interrupted
        assert_clean(survey)


@pytest.mark.parametrize("fault", ["before", "after"])
def test_bytes_of_an_abandoned_transaction_never_come_to_light(fault, monkeypatch, request):
    make = request.getfixturevalue("survey").__class__
    for call in range(1, call_count(make(monkeypatch), "append") + 1):
        survey = make(monkeypatch)
        root, models, after = started(survey, "append")
        survey.storage.switch.plan(call, fault)
        with contextlib.suppress(DiedError):
            merge(root, SCENARIOS["append"], "item")
        survey.restart()
        root = survey.open()
        models = after if root.ledger.contains(["item"]) else models
        labels = [
            {"when": when, "east": east, "north": north} for when in (11, 12, 13) for east, north in GAUGES
        ]
        merge(root, [("upper", labels)], "labels only")
        models["upper"].update(labels)
        assert holds(survey, models), call


@pytest.mark.parametrize("scenario", ["append", "late row", "two nodes"])
def test_same_handle_goes_on_after_a_refused_call(scenario, monkeypatch, request):
    make = request.getfixturevalue("survey").__class__
    for call in range(1, call_count(make(monkeypatch), scenario) + 1):
        survey = make(monkeypatch)
        root, _, after = started(survey, scenario)
        survey.storage.switch.plan(call, "refused")
        try:
            merge(root, SCENARIOS[scenario], "item")
        except StorageError:
            survey.life += 1
            try:
                merge(root, SCENARIOS[scenario], "item")
            except AlreadyMergedError:
                assert root.ledger.contains(["item"]) == {"item"}
        assert holds(survey, after), call
