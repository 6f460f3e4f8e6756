"""Items as the queue takes them in, lists them and finds them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from packages.common import queue as queues
from packages.common.errors import MetadataError, NodePathError
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Move, Queue
from tests.common.faulty_storage import memory_storage
from tests.common.queue_items import ACCEPTED, FAILED, NOON, keys, metadata_of, move, places


def test_accepted_item_has_payload_and_metadata(queue):
    item = queue.accept(metadata_of("level1", source="gauge 7"), b"a,b\n1,2\n")
    assert list(queue.items(ACCEPTED)) == [item]
    assert queue.payload(item) == b"a,b\n1,2\n"
    assert queue.metadata(item).item_id == item.item_id
    assert queue.metadata(item).model_extra == {"source": "gauge 7"}
    assert item.size_bytes == 8


@pytest.mark.parametrize(("long_s", "writes"), [(-1.0, 2), (60.0, 1)])
def test_metadata_is_young_again_once_a_payload_has_come_for_very_long(queue, monkeypatch, long_s, writes):
    written, put = [], queue.storage.put
    monkeypatch.setattr(queue.storage, "put", lambda key, data: (written.append(key), put(key, data)))
    monkeypatch.setattr(queues, "LONG_S", long_s)
    item = queue.accept(metadata_of(), b"1")
    assert written == [item.metadata_key, item.payload_key, item.metadata_key][: 1 + writes]


def test_accept_async_does_the_same(queue):
    item = asyncio.run(queue.accept_async(metadata_of(), b"1"))
    assert (queue.payload(item), places(queue)) == (b"1", [(item.item_id, ACCEPTED)])


@pytest.mark.parametrize("item_id", ["../x", "weather/../../x", "", "/etc/x", "a//b", "a\n"])
def test_an_item_id_that_leaves_its_place_is_refused(queue, item_id):
    metadata = metadata_of().model_copy(update={"item_id": item_id})
    with pytest.raises(NodePathError):
        queue.accept(metadata, b"1")
    assert keys(queue) == []


def test_items_come_in_key_order_and_by_endpoint_and_node(queue):
    ids = [("weather", ""), ("weather", "b/c"), ("weather", "b"), ("tree", ""), ("weather2", "")]
    made = [queue.accept(metadata_of(node, endpoint), b"1") for endpoint, node in ids for _ in range(2)]
    found = [item.item_id for item in queue.items(ACCEPTED)]
    assert found == sorted(item.item_id for item in made)

    def some(*where):
        return {item.item_id for item in queue.items(ACCEPTED, *where)}

    assert some("weather") == {item.item_id for item in made[:6]}
    assert some("weather", "") == {item.item_id for item in made[:2]}
    assert some("weather", "b") == {item.item_id for item in made[4:6]}
    assert some("none") == set()
    assert [item.item_id for item in queue.items(ACCEPTED, after=found[3])] == found[4:]
    assert [item.item_id for item in queue.items(ACCEPTED, "weather", after=found[-1])] == []


def test_metadata_is_found_where_a_removal_was_cut_short(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.settle([move(queue, item, FAILED)])
    queue.storage.copy(item.in_state(FAILED).payload_key, item.payload_key)
    assert queue.metadata(item).outcome.state == "failed"


def test_payload_without_metadata_is_foreign(queue):
    queue.storage.put("accepted/weather/dropped by hand.csv", b"1")
    (item,) = queue.items(ACCEPTED)
    assert queue.metadata(item) is None
    reason = ItemMetadata(item_id=item.item_id, received_at=NOON)
    queue.settle([Move(item, reason, FAILED)])
    assert places(queue) == [("weather/dropped by hand", FAILED)]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"received_at": "yesterday"}', b"\xff"])
def test_unreadable_metadata_is_said_so(queue, text):
    item = queue.accept(metadata_of(), b"1")
    queue.storage.put(item.metadata_key, text)
    with pytest.raises(MetadataError, match=item.item_id):
        queue.metadata(item)


def test_metadata_of_earlier_products_is_read(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.storage.put(
        item.metadata_key, b'{"received_at": "2025-11-24T01:15:03Z", "node_path": null, "x": 1}'
    )
    metadata = queue.metadata(item)
    assert (metadata.item_id, metadata.node_path, metadata.model_extra) == (item.item_id, "", {"x": 1})


@pytest.mark.parametrize(
    "item_id", ["none", "", "../x", "weather/", "/", "weather/20261120T120000_00000000000", "%"]
)
def test_unknown_ids_are_not_found(queue, item_id):
    queue.accept(metadata_of(unique="0" * 12), b"1")
    assert queue.find(item_id) is None


def test_find_tells_ids_apart_that_begin_alike(queue):
    for name in ("a", "ab", "a.b"):
        queue.storage.put(f"accepted/w/{name}.csv", b"1")
    assert queue.find("w/a").extension == "b.csv"
    assert queue.find("w/ab").extension == "csv"


def test_aborted_uploads_are_found_after_an_hour(queue, monkeypatch):
    item = queue.accept(metadata_of(), b"1")
    lonely = queue.accept(metadata_of(), b"1")
    queue.storage.delete([lonely.payload_key])
    assert list(queue.aborted()) == []
    assert list(queue.aborted(older_than=timedelta(seconds=-5))) == [lonely.metadata_key]
    assert queue.find(lonely.item_id) is None
    assert queue.find(item.item_id) == item


def test_listing_is_lazy():
    storage = memory_storage()
    asked = []

    def endless(prefix, after=None):
        number = 0
        while True:
            asked.append(number)
            yield type("Info", (), {"key": f"accepted/w/{number:09}.csv", "size_bytes": 1})()
            number += 1

    storage.list = endless
    items = Queue(storage).items(ACCEPTED)
    assert [next(items).item_id for _ in range(3)] == [f"w/{number:09}" for number in range(3)]
    assert len(asked) <= 4
