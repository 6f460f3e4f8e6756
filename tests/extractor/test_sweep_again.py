"""What a sweep finds half done, or done."""

from __future__ import annotations

import pytest

from packages.common.keys import ItemState
from packages.common.queue import Move, Queue
from services.extractor_service.group import begun, settled
from services.extractor_service.plan import plan
from services.extractor_service.report import SweepReport, total
from services.extractor_service.rounds import rounds
from services.extractor_service.sweep import merge_store, sweep
from tests.extractor.site import Site, csv


def test_item_already_in_the_ledger_is_only_moved(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    sweep(site.settings)
    found = site.queue.find(item_id)
    assert found is not None
    again = site.metadata(item_id).model_copy(update={"outcome": None})
    site.queue.settle([Move(found, again, ItemState.ACCEPTED)])
    report = sweep(site.settings)
    assert (report.duplicates, report.processed) == (1, 0)
    assert site.states() == {item_id: ["processed"]}


def test_crash_between_merge_and_move_is_finished_with_the_outcome_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("weather", csv(0))
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "_leave", lambda queue, moves: None)
        sweep(site.settings)
    assert site.states() == {item_id: ["accepted", "processed"]}
    assert sweep(site.settings).duplicates == 1
    assert site.states() == {item_id: ["processed"]}
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert outcome.rows == 3


def test_interrupted_move_to_failed_is_finished_and_not_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("logger", {"readings": "crash"})
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "_leave", lambda queue, moves: None)
        sweep(site.settings)
    assert site.states() == {item_id: ["accepted", "failed"]}
    site.write("extract/devices.py", "raise AssertionError('called again')\n")
    report = sweep(site.settings)
    assert (report.resumed, report.failed) == (1, 0)
    assert site.states() == {item_id: ["failed"]}


def test_mended_item_is_merged_after_requeue(site: Site) -> None:
    item_id = site.accept("weather", csv(0), schema_name="late.yaml")
    sweep(site.settings)
    site.write("schemas/late.yaml", (site.folder / "inputs" / "schemas" / "weather.yaml").read_text())
    found = site.queue.find(item_id)
    assert found is not None
    site.queue.requeue(found)
    assert sweep(site.settings).processed == 1
    assert site.states() == {item_id: ["processed"]}


def test_old_plan_finds_nothing_to_do(site: Site) -> None:
    site.accept("weather", csv(0))
    (old,) = plan(site.settings)
    sweep(site.settings)
    assert merge_store(site.settings, old) == SweepReport()


def test_items_that_another_sweep_was_quicker_with_are_done(site: Site) -> None:
    ids = [site.accept("weather", csv(number)) for number in range(3)]
    ids.append(site.accept("logger", {"readings": "crash"}))
    with begun(site.settings) as work:
        (taken,) = rounds(work.queue, work.targets, site.queue.items(ItemState.ACCEPTED))
        sweep(site.settings)
        before = site.states()
        (group,) = taken.groups
        again = total(settled(work, group))
    assert (again.duplicates, again.gone, again.processed, again.failed) == (3, 1, 0, 0)
    assert site.states() == before
    outcome = site.metadata(ids[0]).outcome
    assert outcome is not None
    assert outcome.rows == 3
