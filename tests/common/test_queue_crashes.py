"""The process that uses the queue dies at any call."""

from __future__ import annotations

import pytest

from packages.common.queue import Queue
from tests.common.faulty_storage import CrashError, memory_storage
from tests.common.queue_items import ACCEPTED, FAILED, PROCESSED, keys, metadata_of, move, places


def crash_everywhere(act, prepare):
    """Run `act` on a fresh queue for each storage call and each side of it; yields the queue."""
    queue = Queue(memory_storage())
    context = prepare(queue)
    queue.storage.reset()
    act(queue, context)
    for number in range(queue.storage.calls):
        for after in (False, True):
            queue = Queue(memory_storage())
            context = prepare(queue)
            queue.storage.reset(number, after=after)
            with pytest.raises(CrashError):
                act(queue, context)
            queue.storage.reset()
            yield queue, context


def test_a_crash_in_accept_leaves_a_whole_item_or_none():
    metadata = metadata_of()
    outcomes = []
    for queue, _ in crash_everywhere(lambda queue, _: queue.accept(metadata, b"1"), lambda _: None):
        items = list(queue.items(ACCEPTED))
        assert all(queue.metadata(item) == metadata and queue.payload(item) == b"1" for item in items)
        outcomes.append(len(items))
        queue.accept(metadata, b"1")
        assert places(queue) == [(metadata.item_id, ACCEPTED)]
    assert outcomes == [0, 0, 0, 1]


@pytest.mark.parametrize("state", [PROCESSED, FAILED])
def test_a_crash_in_settle_is_completed_by_the_next(state, monkeypatch):
    monkeypatch.setattr("packages.common.in_order.AT_ONCE", 1)

    def prepare(queue):
        return [queue.accept(metadata_of(), bytes([number])) for number in range(3)]

    def act(queue, items):
        queue.settle([move(queue, item, state) for item in items])

    points = 0
    for queue, items in crash_everywhere(act, prepare):
        points += 1
        for item in items:
            assert queue.find(item.item_id) is not None
        act(queue, [item for item in items if item in set(queue.items(ACCEPTED))])
        assert places(queue) == sorted((item.item_id, state) for item in items)
        assert len(keys(queue)) == 6
        for item in items:
            settled = queue.find(item.item_id)
            assert queue.metadata(settled).outcome.state == state
            assert len(queue.payload(settled)) == 1
    assert points >= 20


@pytest.mark.parametrize("state", [PROCESSED, FAILED])
def test_a_crash_in_requeue_loses_nothing(state):
    def prepare(queue):
        item = queue.accept(metadata_of(), b"1")
        queue.settle([move(queue, item, state)])
        return queue.find(item.item_id)

    for queue, item in crash_everywhere(lambda queue, item: queue.requeue(item), prepare):
        found = queue.find(item.item_id)
        assert queue.payload(found) == b"1"
        assert queue.metadata(found) is not None
        queue.requeue(found)
        assert places(queue) == [(item.item_id, ACCEPTED)]
        assert len(keys(queue)) == 2


def test_a_crash_in_accept_once_is_repaired_by_another_replica():
    metadata = metadata_of(unique="d" * 12)
    for queue, _ in crash_everywhere(lambda queue, _: queue.accept_once(metadata, b"1"), lambda _: None):
        queue.accept_once(metadata, b"1", patience_s=0)
        (item,) = queue.items(ACCEPTED)
        assert (queue.payload(item), queue.metadata(item)) == (b"1", metadata)


def test_a_crash_in_purge_leaves_no_foreign_payload():
    for queue, item in crash_everywhere(
        lambda queue, item: queue.purge(item), lambda queue: queue.accept(metadata_of(), b"1")
    ):
        assert all(queue.metadata(found) is not None for found in queue.items(ACCEPTED))
        queue.purge(item)
        assert keys(queue) == []
