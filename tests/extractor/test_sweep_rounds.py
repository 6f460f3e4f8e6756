"""How a sweep divides its work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from packages.common import in_order, s3io
from packages.common.errors import StorageUnavailableError
from services.extractor_service import group as grouping
from services.extractor_service import rounds as rounding
from services.extractor_service import sweep as sweeping
from services.extractor_service.sweep import sweep
from tests.extractor.site import Site, assert_holds, csv, readings
from zarr_fuse import Node


def test_group_is_one_transaction_and_a_small_bound_makes_several(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = count_transactions(monkeypatch)
    ids = [site.accept("weather", csv(number)) for number in range(6)]
    sweep(site.settings)
    assert groups == [ids]
    groups.clear()
    more = [site.accept("weather", csv(number + 6, rows=50)) for number in range(6)]
    sweep(site.settings.model_copy(update={"sweep_max_bytes": 4000}))
    assert len(groups) > 2
    assert [one for group in groups for one in group] == more


def count_transactions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    groups: list[list[str]] = []
    begin = Node.transaction

    def transaction(node: Node, item_ids: list[str], **options: object) -> object:
        groups.append(list(item_ids))
        return begin(node, item_ids, **options)

    monkeypatch.setattr(Node, "transaction", transaction)
    return groups


def test_many_rounds_end_like_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 7)
    good, bad = accept_forty_plain(site)
    waits = site.accept("weather", csv(50), retry_at=datetime.now(UTC) + timedelta(hours=1))
    steps: list[tuple[int, int]] = []
    report = sweep(site.settings, on_progress=lambda done, size: steps.append((done, size)))
    assert (report.processed, report.failed) == (len(good), len(bad))
    assert steps[-1] == (len(good) + len(bad) + 1, len(good) + len(bad) + 1)
    assert_holds(site.dataset("weather.yaml", "station"), set(range(10)))
    ends = dict.fromkeys(good, "processed") | dict.fromkeys(bad, "failed") | {waits: "accepted"}
    assert site.states() == {item_id: [state] for item_id, state in ends.items()}


def accept_forty_plain(site: Site) -> tuple[list[str], list[str]]:
    good = [site.accept("weather", csv(number)) for number in range(10)]
    good += [site.accept("river", readings(number)) for number in range(10)]
    bad = [site.accept("weather", csv(number), schema_name="vanished.yaml") for number in range(10)]
    return good, bad + [site.accept("logger", {"no readings": 0}) for _ in range(10)]


def test_of_a_long_queue_one_round_is_known_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 5)
    for number in range(23):
        site.accept("weather", csv(number, rows=1))
    known, most, place = 0, 0, rounding.place

    def placed(*arguments: Any) -> Any:
        nonlocal known
        known += 1
        return place(*arguments)

    def progress(done: int, _size: int) -> None:
        nonlocal most
        most = max(most, known - done)

    monkeypatch.setattr(rounding, "place", placed)
    assert sweep(site.settings, on_progress=progress).processed == known == 23
    assert most == 5


def test_troubled_store_is_left_alone_in_later_rounds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 2)
    merged = [site.accept("river", readings(number)) for number in range(3)]
    waiting = [site.accept("weather", csv(number)) for number in range(5)]
    merge = grouping.merge

    def crashes(root: Node, batch: list) -> list:
        if any(one.item.item_id in waiting for one in batch):
            raise RuntimeError("a mistake of ours")
        return merge(root, batch)

    monkeypatch.setattr(grouping, "merge", crashes)
    assert sweep(site.settings).trouble == [f"{site.settings.s3_store_url}: a mistake of ours"]
    ends = dict.fromkeys(merged, "processed") | dict.fromkeys(waiting, "accepted")
    assert site.states() == {item_id: [state] for item_id, state in ends.items()}


def test_a_queue_that_goes_away_in_mid_sweep_leaves_a_report_of_what_was_done(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 2)
    monkeypatch.setattr(in_order, "AHEAD_ITEMS", 1)
    monkeypatch.setattr(s3io, "FILES_A_THREAD", 1)
    ids = [site.accept("weather", csv(number)) for number in range(9)]
    listed = sweeping.accepted

    def breaks_off(*arguments: Any) -> Iterator[Any]:
        yield from islice(listed(*arguments), 6)
        raise StorageUnavailableError("the connection was reset")

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "accepted", breaks_off)
        report = sweep(site.settings)
    ended = [item_id for item_id, states in site.states().items() if states == ["processed"]]
    assert 0 < report.processed == len(ended) < len(ids)
    assert len(report.trouble) == 1
    assert "the connection was reset" in report.trouble[0]
    assert sweep(site.settings).processed == len(ids) - len(ended)
