"""What a transaction leaves when any one of its storage calls dies, loses its answer or is refused."""

from __future__ import annotations

import contextlib
import copy

import pytest

from tests.faults.switch import DiedError
from tests.zarr_fuse import river
from zarr_fuse.errors import AlreadyMergedError, StorageError

GAUGES = [(1.0, 0.0), (-1.0, 0.0), (-2.0, 7.5)]


def rows(times, gauges=GAUGES, stage=1.0):
    return [
        {
            "when": when,
            "east": east,
            "north": north,
            "stage": stage + when,
            "count": when,
            "note": "ok",
            "owner": "A",
        }
        for when in times
        for east, north in gauges
    ]


def flows(days):
    return [
        {"day": day, "site": "b", "depth": 0.5, "flow": 1.0 * day, "wind": 4.0, "total": 1.0} for day in days
    ]


SCENARIOS = {
    "first write": [("upper", rows([0, 10]))],
    "append": [("upper", rows([11, 12, 13, 14, 15]))],
    "late row": [("upper", rows([5]))],
    "overwrite": [("upper", rows([0], stage=9.0))],
    "overwrite and append": [("upper", rows([10, 20], stage=9.0))],
    "new gauge at an old time": [("upper", rows([0], [(3.0, 3.0), (4.0, 4.0)]))],
    "partial frame": [("upper", [{"when": 30, "east": 1.0, "north": 0.0, "stage": 3.0}])],
    "two nodes": [("upper", rows([40, 3])), ("lower/weir", flows([1, 2]))],
    "nothing new": [("upper", rows([0, 10]))],
    "no rows": [("upper", [])],
}


def merge(root, updates, item_id):
    with root.transaction(item_ids=[item_id]) as transaction:
        for path, frame in updates:
            transaction[path].update(river.frame(path, frame))


def started(survey, scenario):
    """A store as it is before the scenario, its model before and after it."""
    models = river.models()
    root = survey.open()
    if scenario != "first write":
        merge(root, [("upper", rows([0, 10]))], "seed")
        models["upper"].update(rows([0, 10]))
    after = copy.deepcopy(models)
    for path, frame in SCENARIOS[scenario]:
        after[path].update(frame)
    return root, models, after


def holds(survey, models):
    return all(model.contradicts(survey.dataset(path)) is None for path, model in models.items())


def call_count(survey, scenario):
    root, _, _ = started(survey, scenario)
    survey.storage.switch.heal()
    merge(root, SCENARIOS[scenario], "item")
    return survey.storage.switch.calls


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
        committed = root.ledger.contains(["item"]) == {"item"}
        assert committed or interrupted
        assert holds(survey, after if committed else before), (call, committed)
        if committed:
            with pytest.raises(AlreadyMergedError):
                merge(root, SCENARIOS[scenario], "item")
        else:
            merge(root, SCENARIOS[scenario], "item")
        assert holds(survey, after), call
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


def assert_clean(survey):
    """No stage is left, and at most the newest lock."""
    keys = [meta["path"] for page in survey.storage.list() for meta in page]
    assert not [key for key in keys if ".zf/txn/" in key and not key.endswith(".json")]
    assert len([key for key in keys if ".zf/lock/" in key]) <= 2


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
