from __future__ import annotations

from datetime import timedelta

import pytest

from services.extractor_service.reprocess import Choice, requeue
from services.extractor_service.sweep import sweep
from tests.extractor.site import BEGIN, Site, csv


@pytest.fixture
def failed(site: Site) -> list[str]:
    """Four failed items, received a second apart: two of `weather`, then two of `strict`."""
    vanished = {"schema_name": "vanished.yaml"}
    endpoints = ("weather", "weather", "strict", "strict")
    ids = [site.accept(name, csv(number), **vanished) for number, name in enumerate(endpoints)]
    sweep(site.settings)
    return ids


@pytest.mark.parametrize(
    ("facts", "numbers"),
    [
        ({}, {0, 1, 2, 3}),
        ({"endpoint": "strict"}, {2, 3}),
        ({"since": BEGIN + timedelta(seconds=1), "until": BEGIN + timedelta(seconds=3)}, {1, 2}),
        ({"limit": 1}, {2}),
        ({"state": "processed"}, set()),
    ],
)
def test_chosen_items_are_accepted_again(
    site: Site, failed: list[str], facts: dict[str, object], numbers: set[int]
) -> None:
    wanted = {failed[number] for number in numbers}
    choice = Choice.model_validate(facts)
    assert set(requeue(site.settings, choice, dry_run=True)) == wanted
    assert all(states == ["failed"] for states in site.states().values())
    assert set(requeue(site.settings, choice)) == wanted
    assert {item_id for item_id, states in site.states().items() if states == ["accepted"]} == wanted


def test_items_may_be_named(site: Site, failed: list[str]) -> None:
    choice = Choice(item_ids=[failed[0], failed[3], "weather/unknown"], endpoint="weather")
    assert requeue(site.settings, choice) == [failed[0]]
