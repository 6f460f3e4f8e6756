"""Items that are handled once more."""

from __future__ import annotations

import pytest

from packages.common.errors import ItemBusyError, ItemNotFoundError, StorageUnavailableError
from packages.common.keys import ItemState
from packages.common.queue import Queue
from tests.common.queue_items import ACCEPTED, FAILED, NOON, PROCESSED, keys, metadata_of, move, places


def test_metadata_is_found_where_a_requeue_was_cut_short(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.storage.copy(item.payload_key, item.in_state(FAILED).payload_key)
    assert queue.metadata(queue.find(item.item_id)).item_id == item.item_id


def test_rewrite_keeps_the_item_in_its_place(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.rewrite(item, queue.metadata(item).model_copy(update={"attempts": 3}))
    assert queue.metadata(item).attempts == 3
    assert places(queue) == [(item.item_id, ACCEPTED)]


@pytest.mark.parametrize("state", list(ItemState))
def test_requeue_starts_afresh_from_any_state(queue, state):
    item = queue.accept(metadata_of(attempts=8, retry_at=NOON, note=1), b"1")
    if state is not ACCEPTED:
        queue.settle([move(queue, item, state)])
    again = queue.requeue(queue.find(item.item_id))
    metadata = queue.metadata(again)
    assert places(queue) == [(item.item_id, ACCEPTED)]
    assert (metadata.attempts, metadata.retry_at, metadata.outcome, metadata.note) == (0, None, None, 1)
    assert len(keys(queue)) == 2


def test_nothing_is_removed_before_what_takes_its_place_is_durable(queue, monkeypatch):
    items = [queue.accept(metadata_of(), b"1") for _ in range(3)]

    def lost_power(_folders):
        assert len(keys(queue)) == 12
        raise StorageUnavailableError("the power is out")

    monkeypatch.setattr(queue.storage, "make_durable", lost_power)
    with pytest.raises(StorageUnavailableError):
        queue.settle([move(queue, item, PROCESSED) for item in items])
    assert len(keys(queue)) == 12


@pytest.mark.parametrize("state", [PROCESSED, FAILED])
def test_requeue_does_not_race_with_the_sweep_that_moves_the_item(queue, state, monkeypatch):
    item = queue.accept(metadata_of(), b"1")
    removals = []
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "_leave", lambda _, moves: removals.append(moves))
        queue.settle([move(queue, item, state)])
    with pytest.raises(ItemBusyError, match="is being moved"):
        queue.requeue(queue.find(item.item_id))
    queue._leave(removals[0])
    queue.requeue(queue.find(item.item_id))
    assert places(queue) == [(item.item_id, ACCEPTED)]


@pytest.mark.parametrize(("state", "generation"), [(PROCESSED, 2), (FAILED, 1), (ACCEPTED, 1)])
def test_only_what_was_processed_is_merged_again(queue, state, generation):
    item = queue.accept(metadata_of(), b"1")
    queue.settle([move(queue, item, state)])
    metadata = queue.metadata(queue.requeue(queue.find(item.item_id)))
    assert (metadata.requeued, metadata.generation) == (1, generation)


def test_requeue_of_a_purged_item_says_so(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.settle([move(queue, item, FAILED)])
    failed = queue.find(item.item_id)
    queue.purge(failed)
    queue.purge(failed)
    with pytest.raises(ItemNotFoundError):
        queue.requeue(failed)
    with pytest.raises(ItemNotFoundError):
        queue.payload(failed)
    assert keys(queue) == []
