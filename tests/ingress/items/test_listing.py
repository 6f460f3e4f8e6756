"""Newest first, from a storage that lists oldest first: the same as sorting everything, with few requests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common.keys import ItemState, metadata_key, payload_key
from packages.common.objects import ObjectInfo
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.errors import OverloadedError
from services.ingress_service.web.items import folders, listing
from services.ingress_service.web.items.listing import Query, newest
from tests.hypothesis_profiles import examples
from tests.rigs.s3 import Bucket

LATER = tuple(ItemState)
FOLDERS = (
    "weather",
    "weather/level1",
    "weather/level1/deep",
    "weather/10m",
    "weather/2m",
    "grid",
    "grid-2",
    "9",
)
STATES = st.sampled_from(LATER)


class Counted(ObjectStorage):
    """A storage that counts the pages of its listings."""

    pages = 0

    def list(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        found = super().list(prefix, after)
        for index, info in enumerate(found):
            if index % 1000 == 0:
                self.pages += 1
            yield info


def queue_of(url: str) -> Queue:
    return Queue(Counted(url, Settings(_env_file=None)))


def memory_queue() -> Queue:
    return queue_of(f"memory://{uuid.uuid4().hex}")


def name(moment: datetime, unique: int) -> str:
    return f"{moment:%Y%m%dT%H%M%S}_{unique:012x}"


def moments() -> st.SearchStrategy[datetime]:
    """Crowded seconds, busy hours, long pauses, and clocks that are ahead."""
    now = datetime.now(UTC).replace(microsecond=0)
    ages_s = st.one_of(st.integers(0, 3), st.integers(0, 7200), st.integers(-(10**6), 10**8))
    return ages_s.map(lambda seconds: now - timedelta(seconds=seconds))


names = st.builds(name, moments(), st.integers(0, 2**48 - 1))
objects = st.tuples(
    STATES, st.sampled_from(FOLDERS), st.one_of(names, st.sampled_from(["by_hand", "1st", "~x"]))
)


def expected(stored: Sequence[tuple[ItemState, str, str]], query: Query) -> list[tuple[str, ItemState]]:
    latest: dict[str, ItemState] = {}
    for state, folder, own in stored:
        item_id = f"{folder}/{own}"
        if query.state not in {None, state}:
            continue
        if query.endpoints is not None and folder.partition("/")[0] not in query.endpoints:
            continue
        if query.node is None or folder.partition("/")[2] == query.node:
            latest[item_id] = max(state, latest.get(item_id, state), key=LATER.index)

    def order(item_id: str) -> tuple[str, str]:
        own = item_id.rpartition("/")[2]
        return (own[:15] if "_" in own and own[0].isdigit() else ""), item_id

    chosen = sorted(latest, key=order, reverse=True)
    if query.cursor is not None:
        chosen = [item_id for item_id in chosen if order(item_id) < order(query.cursor)]
    if query.since is not None:
        chosen = [item_id for item_id in chosen if order(item_id)[0] >= f"{query.since:%Y%m%dT%H%M%S}"]
    if query.until is not None:
        chosen = [i for i in chosen if order(i)[0] and order(i)[0] < f"{query.until:%Y%m%dT%H%M%S}"]
    return [(item_id, latest[item_id]) for item_id in chosen]


@settings(max_examples=examples(150))
@given(
    stored=st.lists(objects, max_size=60),
    endpoints=st.sampled_from([None, ("weather",), ("grid", "grid-2"), ("nowhere",)]),
    node=st.sampled_from([None, None, "", "level1"]),
    state=st.one_of(st.none(), STATES),
    since=st.one_of(st.none(), moments()),
    until=st.one_of(st.none(), moments()),
    count=st.integers(1, 20),
    page_keys=st.integers(4, 12),
    kept=st.sampled_from([0, 10, 1000]),
)
def test_pages_put_together_are_everything_sorted(
    stored: list[tuple[ItemState, str, str]], count: int, page_keys: int, kept: int, **wanted: Any
) -> None:
    queue = memory_queue()
    for state, folder, own in stored:
        queue.storage.put(metadata_key(state, f"{folder}/{own}", "csv"), b"{}")
        queue.storage.put(payload_key(state, f"{folder}/{own}", "csv"), b"x")
    query = Query(**wanted)
    seen: list[tuple[str, ItemState]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "PAGE_KEYS", page_keys)
        patch.setattr(folders, "KEPT_ITEMS", kept)
        while page := newest(queue, Query(**wanted, cursor=seen[-1][0] if seen else None), count):
            seen += [(item.item_id, item.state) for item in page]
    assert seen == expected(stored, query)


def test_a_large_folder_inside_a_large_one_is_stepped_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PAGE_KEYS", 10)
    queue = memory_queue()
    start = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)
    ids = [f"weather/{name(start + timedelta(seconds=second), 1)}" for second in range(120)]
    for item_id in ids:
        queue.storage.put(f"accepted/{item_id}.csv", b"x")
        queue.storage.put(f"accepted/{item_id.replace('weather/', 'weather/2026/')}.csv", b"x")
    found = newest(queue, Query(endpoints=("weather",), node=""), 1000)
    assert [item.item_id for item in found] == ids[::-1]
    assert len(newest(queue, Query(endpoints=("weather",), node="2026"), 1000)) == len(ids)


def test_ten_thousand_items_of_one_second_come_in_their_order() -> None:
    queue = memory_queue()
    moment = datetime(2026, 10, 1, tzinfo=UTC)
    ids = [f"weather/{name(moment, number * 7919)}" for number in range(10_000)]
    for item_id in ids:
        queue.storage.put(f"accepted/{item_id}.csv", b"x")
    assert [item.item_id for item in newest(queue, Query(), 50)] == ids[:-51:-1]
    cursor = Query(cursor=ids[5000])
    assert [item.item_id for item in newest(queue, cursor, 50)] == ids[4999:4949:-1]


@pytest.mark.parametrize("idle_days", [0, 3, 21, 200])
def test_a_page_of_a_long_queue_costs_few_requests(idle_days: int) -> None:
    queue = memory_queue()
    last = datetime.now(UTC) - timedelta(days=idle_days)
    for number in range(6000):
        own = name(last - timedelta(minutes=number * 10), number)
        folder = ("weather", "weather/level1", "grid")[number % 3]
        queue.storage.put(f"accepted/{folder}/{own}.csv", b"x")
        queue.storage.put(f"accepted/{folder}/{own}.csv.meta.json", b"x")
    for query, most in (
        (Query(), 18),
        (Query(endpoints=("weather",)), 14),
        (Query(endpoints=("weather",), node="level1", state=ItemState.ACCEPTED), 6),
        (Query(since=last - timedelta(days=30), until=last - timedelta(days=28)), 8),
    ):
        queue.storage.pages = 0  # type: ignore[attr-defined]
        assert len(newest(queue, query, 50)) == 50
        assert 0 < queue.storage.pages <= most, query  # type: ignore[attr-defined]


def test_a_listing_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_LIST_S", -1.0)
    with pytest.raises(OverloadedError, match="narrow by endpoint"):
        newest(memory_queue(), Query(), 1)


@pytest.mark.parametrize("odd", ["20261399T999999_000000000000", "00000101T000000_000000000000"])
def test_a_name_that_is_no_time_is_foreign(odd: str) -> None:
    queue = memory_queue()
    queue.storage.put(f"accepted/weather/{odd}.csv", b"x")
    assert [item.item_id for item in newest(queue, Query(), 1)] == [f"weather/{odd}"]
    assert newest(queue, Query(since=datetime(2026, 1, 1, tzinfo=UTC)), 1) == []


def test_an_s3_lists_newest_first(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PAGE_KEYS", 10)
    found = Settings(_env_file=None, **bucket.access)
    queue = Queue(ObjectStorage(bucket.url("queue"), found))
    last = datetime(2026, 10, 30, tzinfo=UTC)
    names = [name(last - timedelta(hours=number**2), number) for number in range(40)]
    ids = [f"{('weather', 'weather/a b', 'grid')[number % 3]}/{own}" for number, own in enumerate(names)]
    for item_id in ids:
        queue.storage.put(f"accepted/{item_id}.csv", b"x")
        queue.storage.put(f"accepted/{item_id}.csv.meta.json", b"{}")
    assert [item.item_id for item in newest(queue, Query(), 100)] == ids
    assert [item.item_id for item in newest(queue, Query(cursor=ids[9]), 5)] == ids[10:15]
    assert [item.item_id for item in newest(queue, Query(endpoints=("weather",), node="a b"), 3)] == ids[
        1:9:3
    ]
