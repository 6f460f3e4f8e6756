from __future__ import annotations

from datetime import timedelta

import pytest

from packages.common.keys import ItemState
from packages.common.queue import Move
from services.extractor_service import group as grouping
from services.extractor_service.group import begun, settled
from services.extractor_service.report import SweepReport, total
from services.extractor_service.reprocess import Choice, requeue
from services.extractor_service.rounds import rounds
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


def test_processed_item_is_merged_again_over_what_came_after_it(site: Site) -> None:
    first = site.accept("weather", csv(0))
    sweep(site.settings)
    site.accept("weather", csv(0).replace("0.0", "9.0"))
    sweep(site.settings)
    for generation in (2, 3):
        assert requeue(site.settings, Choice(state="processed", item_ids=[first])) == [first]
        report = sweep(site.settings)
        assert (report.processed, report.duplicates) == (1, 0)
        assert site.metadata(first).generation == generation
        assert site.dataset("weather.yaml", "station")["temperature"].values[0, 0] == 0.0
        assert sweep(site.settings).counts() == dict.fromkeys(report.counts(), 0)


def test_item_that_is_in_the_ledger_and_failed_is_not_merged_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("weather", csv(0))
    with monkeypatch.context() as patch:
        patch.setattr(grouping, "settle", _nothing_settled)
        sweep(site.settings)
    (item,) = site.queue.items(ItemState.ACCEPTED)
    metadata = site.metadata(item_id)
    site.queue.settle([Move(item, metadata, ItemState.FAILED)])
    assert requeue(site.settings, Choice(item_ids=[item_id])) == [item_id]
    assert sweep(site.settings).duplicates == 1
    assert site.states() == {item_id: ["processed"]}


def _nothing_settled(*_: object) -> SweepReport:
    return SweepReport()


def test_items_taken_up_before_a_requeue_are_left_to_the_next_sweep(site: Site) -> None:
    merged, refused = site.accept("weather", csv(0)), site.accept("weather", csv(1), schema_name="none.yaml")
    with begun(site.settings) as work:
        (taken,) = rounds(work.queue, work.targets, site.queue.items(ItemState.ACCEPTED))
        sweep(site.settings)
        assert set(requeue(site.settings, Choice(state="processed"))) == {merged}
        assert set(requeue(site.settings, Choice(state="failed"))) == {refused}
        assert total(one for group in taken.groups for one in settled(work, group)).gone == 2
    assert site.states() == {merged: ["accepted"], refused: ["accepted"]}
    assert sweep(site.settings).processed == 1


def test_items_may_be_named(site: Site, failed: list[str]) -> None:
    choice = Choice(item_ids=[failed[0], failed[3], "weather/unknown"], endpoint="weather")
    assert requeue(site.settings, choice) == [failed[0]]


def test_an_item_that_a_sweep_is_moving_keeps_no_other_from_being_requeued(
    site: Site, failed: list[str]
) -> None:
    moving = site.queue.find(failed[1])
    assert moving is not None
    accepted = moving.in_state(ItemState.ACCEPTED)
    for source, target in (
        (moving.metadata_key, accepted.metadata_key),
        (moving.payload_key, accepted.payload_key),
    ):
        site.queue.storage.copy(source, target)
    others = {item_id for item_id in failed if item_id != failed[1]}
    assert set(requeue(site.settings, Choice())) == others
    assert site.states()[failed[1]] == ["accepted", "failed"]
