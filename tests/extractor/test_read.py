from __future__ import annotations

from types import SimpleNamespace

import pytest

from packages.common.in_order import AHEAD_ITEMS
from packages.common.keys import ItemState
from services.extractor_service import read as reading
from services.extractor_service.items import Content, PlannedItem, Verdict, VerdictKind
from services.extractor_service.read import read
from tests.extractor.site import Site, csv


def item(item_id: str, size_bytes: int = 1) -> PlannedItem:
    return PlannedItem(item_id=item_id, extension="csv", size_bytes=size_bytes)


def judged(site: Site, item_id: str) -> Verdict:
    (found,) = read(site.queue, [item(item_id)], 1000)
    assert isinstance(found, Verdict)
    return found


def test_contents_come_in_the_order_of_the_plan(site: Site) -> None:
    ids = [site.accept("weather", csv(number)) for number in range(40)]
    found = list(read(site.queue, [item(one) for one in reversed(ids)], 5))
    assert [one.item.item_id for one in found] == ids[::-1]
    assert all(isinstance(one, Content) and one.payload.startswith(b"time,") for one in found)


@pytest.mark.parametrize(
    ("sizes", "max_bytes", "most"),
    [([3, 3, 3, 9, 100, 1, 1], 10, 3), ([1] * (2 * AHEAD_ITEMS), 10**9, AHEAD_ITEMS), ([7, 7, 7], 5, 1)],
)
def test_bound_holds_for_what_is_read_ahead(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], max_bytes: int, most: int
) -> None:
    started = []
    a_bucket = SimpleNamespace(storage=SimpleNamespace(bundle=1))
    monkeypatch.setattr(reading, "read_item", lambda _, one: started.append(one) or one)
    items = [item(str(number), size) for number, size in enumerate(sizes)]
    for number, one in enumerate(read(a_bucket, items, max_bytes)):
        assert one is items[number]
        ahead = sizes[number : len(started)]
        assert len(ahead) <= most + 1
        assert sum(ahead[:-1]) <= max(max_bytes, sizes[number])


def test_item_no_longer_accepted_is_gone(site: Site) -> None:
    assert judged(site, "weather/20261120T080000_000000000000").kind is VerdictKind.GONE


def test_damaged_payload_is_a_permanent_failure(site: Site) -> None:
    item_id = site.accept("weather", csv(0), sha256="0" * 64)
    verdict = judged(site, item_id)
    assert verdict.kind is VerdictKind.PERMANENT
    assert verdict.error is not None
    assert verdict.error.kind == "payload_damaged"


def test_metadata_that_cannot_be_read_fails_this_item_alone(site: Site) -> None:
    bad, good = (site.accept("weather", csv(number)) for number in range(2))
    (site.folder / "queue" / ItemState.ACCEPTED / f"{bad}.csv.meta.json").write_text("[]")
    first, second = read(site.queue, [item(bad), item(good)], 1000)
    assert isinstance(first, Verdict)
    assert first.kind is VerdictKind.PERMANENT
    assert isinstance(second, Content)
