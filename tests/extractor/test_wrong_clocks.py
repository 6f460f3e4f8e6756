"""Machines whose clock is, or was, wrong: nothing that was accepted may wait for ever or be taken away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from packages.common.queue import ABORTED_AFTER
from services.extractor_service.housekeeping import removals, remove
from services.extractor_service.outcomes import BACK_OFF
from services.extractor_service.plan import plan
from services.extractor_service.sweep import sweep
from tests.extractor.site import Site, csv

DECADE = timedelta(days=3650)


def test_an_item_put_off_by_a_clock_far_ahead_is_tried_by_one_that_is_right(site: Site) -> None:
    item_id = site.accept("weather", csv(0), retry_at=datetime.now(UTC) + DECADE)
    assert sum(one.size for one in plan(site.settings)) == 1
    assert sweep(site.settings).processed == 1
    assert site.states() == {item_id: ["processed"]}


def test_an_item_waits_as_long_as_any_back_off_lasts(site: Site) -> None:
    now = datetime.now(UTC)
    site.accept("weather", csv(0), retry_at=now + BACK_OFF[-1])
    assert plan(site.settings, now=now) == []


def test_metadata_whose_payload_comes_while_housekeeping_looks_around_is_kept(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    item = site.queue.find(item_id)
    assert item is not None
    payload = site.queue.payload(item)
    site.queue.storage.delete([item.payload_key])
    found = list(removals(site.settings, now=datetime.now(UTC) + 2 * ABORTED_AFTER))
    assert [one.key for one in found] == [item.metadata_key]
    site.queue.storage.put(item.payload_key, payload)
    assert remove(site.settings, found) == 0
    assert sweep(site.settings).processed == 1
