from __future__ import annotations

from datetime import UTC, datetime

import pytest

from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemError, ItemMetadata, Outcome, RejectedRow
from packages.common.queue import Move, Queue
from services.extractor_service.plugins.queue_page import overview, rows
from services.extractor_service.plugins.queue_page.overview import count_items, totals
from services.extractor_service.plugins.queue_page.rows import page_of
from tests.extractor.site import Site

AT = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)


def put(queue: Queue, item_id: str, state: str = "accepted", **facts: object) -> str:
    """An item in a state, as the services leave it there."""
    known = {"item_id": item_id, "received_at": AT, "content_type": "text/csv", "username": "station"}
    metadata = ItemMetadata(**{**known, **facts})
    item = queue.accept(metadata, b"time\n1\n")
    if state != "accepted":
        queue.settle([Move(item, metadata, ItemState(state))])
    return item_id


def item_id(endpoint: str, number: int = 0) -> str:
    return f"{endpoint}/20261120T{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}_{number:012x}"


@pytest.fixture
def queue(any_site: Site) -> Queue:
    return any_site.queue


def counted(queue: Queue, *configured: str) -> dict[str, dict[str, int]]:
    return {
        one.name: {str(state): count for state, count in one.counts.items()}
        for one in count_items(queue, configured)
    }


def test_items_are_counted_by_endpoint_and_state(queue):
    for number in range(3):
        put(queue, item_id("river", number), "failed")
    put(queue, item_id("river/a/b", 9), "processed")
    for name in ("river-2", "river.3", "rivers", "Ä"):
        put(queue, item_id(name))
    assert counted(queue, "river", "silent") == {
        "river": {"failed": 3, "processed": 1},
        "river-2": {"accepted": 1},
        "river.3": {"accepted": 1},
        "rivers": {"accepted": 1},
        "silent": {},
        "Ä": {"accepted": 1},
    }


def test_long_endpoints_are_counted_to_a_limit_and_hide_none_behind_them(queue, monkeypatch):
    monkeypatch.setattr(overview, "COUNTED", 2)
    for number in range(4):
        put(queue, item_id("a", number), "failed")
    put(queue, item_id("b"), "failed")
    found = count_items(queue)
    assert [(one.name, one.shown(ItemState.FAILED)) for one in found] == [("a", "2+"), ("b", "1")]
    assert totals(found).has(ItemState.FAILED)
    assert not totals(found).has(ItemState.ACCEPTED)


def test_pages_are_newest_first_over_all_endpoints(queue, monkeypatch):
    monkeypatch.setattr(rows, "PAGE_ITEMS", 2)
    ids = [put(queue, item_id("ab"[number % 2], number), "failed") for number in range(5)]
    newest = list(reversed(ids))
    pages = [page_of(queue, ItemState.FAILED, None, number) for number in (1, 2, 3, 99, -1)]
    shown = [[row.item_id for row in page.rows] for page in pages]
    assert shown == [newest[:2], newest[2:4], newest[4:], newest[4:], newest[:2]]
    assert (pages[0].count, pages[0].last_number, pages[0].is_cut) == (5, 3, False)
    only = page_of(queue, ItemState.FAILED, "a", 1)
    assert [row.item_id for row in only.rows] == [ids[4], ids[2]]


def test_only_so_many_items_are_put_in_order_and_the_page_says_so(queue, monkeypatch):
    monkeypatch.setattr(rows, "LISTED_ITEMS", 3)
    for number in range(4):
        put(queue, item_id("a", number))
    page = page_of(queue, ItemState.ACCEPTED, None, 1)
    assert (page.is_cut, page.count, len(page.rows)) == (True, 3, 3)


def test_a_failed_item_shows_kind_reason_place_and_who_sent_it(queue):
    error = ItemError(kind="update_refused", message="<b>no</b>", row=7, column="level", value="wet")
    outcome = Outcome(state="failed", finished_at=AT, error=error)
    put(queue, item_id("a"), "failed", outcome=outcome, attempts=2)
    page = page_of(queue, ItemState.FAILED, None, 1)
    (row,) = page.rows
    assert (row.kind, row.reason, row.place) == (
        "update_refused",
        "<b>no</b>",
        "row 7, column level, value wet",
    )
    assert (row.username, row.attempts, row.size_bytes, row.received_at) == ("station", 2, 7, AT)
    assert page.kinds == [("update_refused", 1)]


@pytest.mark.parametrize(
    ("facts", "kind", "reason"),
    [
        ({"retry_at": AT}, "retry", "tried again after 2026-11-20 08:15:00 UTC"),
        (
            {
                "outcome": Outcome(
                    state="processed",
                    finished_at=AT,
                    rows=3,
                    rejected_counts={"out_of_range": 2},
                    rejected_rows=[RejectedRow(kind="out_of_range")],
                )
            },
            "left out",
            "2 out_of_range",
        ),
        ({"outcome": Outcome(state="processed", finished_at=AT, rows=1200)}, "", "1,200 rows"),
        ({}, "", ""),
    ],
)
def test_other_items_show_what_there_is_to_remark(queue, facts, kind, reason):
    put(queue, item_id("a"), **facts)
    (row,) = page_of(queue, ItemState.ACCEPTED, None, 1).rows
    assert (row.kind, row.reason) == (kind, reason)


def test_items_without_readable_metadata_are_shown_with_the_reason(queue):
    queue.storage.put("failed/a/20261120T000000_000000000001.csv", b"x")
    queue.storage.put("failed/b/anything.csv", b"x")
    queue.storage.put("failed/b/anything.csv.meta.json", b"{}")
    shown = {row.item_id: row.kind for row in page_of(queue, ItemState.FAILED, None, 1).rows}
    assert shown == {"a/20261120T000000_000000000001": "foreign", "b/anything": "metadata"}
