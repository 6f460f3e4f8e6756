"""Transactions of the river, and what must be true where one was interrupted."""

from __future__ import annotations

import copy

import pytest

from tests.zarr_fuse import river
from zarr_fuse.errors import AlreadyMergedError

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


def assert_clean(survey):
    """No stage is left, and at most the newest lock."""
    keys = [meta["path"] for page in survey.storage.list() for meta in page]
    assert not [key for key in keys if ".zf/txn/" in key and not key.endswith(".json")]
    assert len([key for key in keys if ".zf/lock/" in key]) <= 2


def assert_whole_or_absent(survey, root, scenario, before, after):
    """Assert it of the interrupted transaction `item`, and that its repetition ends as if never interrupted.

    Returns:
        Whether it had been committed.
    """
    committed = root.ledger.contains(["item"]) == {"item"}
    assert holds(survey, after if committed else before), f"committed: {committed}"
    if committed:
        with pytest.raises(AlreadyMergedError):
            merge(root, SCENARIOS[scenario], "item")
    else:
        merge(root, SCENARIOS[scenario], "item")
    assert holds(survey, after)
    return committed
