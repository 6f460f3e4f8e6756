"""Items that have been handled move on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packages.common.errors import StorageUnavailableError
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from tests.common.queue_items import ACCEPTED, FAILED, PROCESSED, keys, metadata_of, move, places
from tests.rigs.gateway import gateway_to


def test_settle_moves_items_with_their_outcome_and_keeps_unknown_keys(queue):
    first, second = (queue.accept(metadata_of(note=number), b"1") for number in range(2))
    assert queue.settle([move(queue, first, PROCESSED), move(queue, second, FAILED)]) == []
    assert places(queue) == sorted([(first.item_id, PROCESSED), (second.item_id, FAILED)])
    settled = queue.metadata(queue.find(second.item_id))
    assert (settled.outcome.state, settled.model_extra) == ("failed", {"note": 1})
    assert len(keys(queue)) == 4
    assert queue.settle([]) == []


def test_settle_again_changes_nothing(queue):
    item = queue.accept(metadata_of(), b"1")
    done = move(queue, item, PROCESSED)
    for _ in range(3):
        assert queue.settle([done]) == []
        assert places(queue) == [(item.item_id, PROCESSED)]
        assert len(keys(queue)) == 2


def test_metadata_of_a_settled_item_outlives_a_gateway_that_has_lost_the_storage(moto_bucket):
    with gateway_to(moto_bucket.endpoint) as gateway:
        bucket = replace(moto_bucket, endpoint=gateway.endpoint)
        settings = Settings(s3_queue_url=bucket.url("q"), **bucket.access)
        queue = Queue(ObjectStorage(settings.s3_queue_url, settings))
        item = queue.accept(metadata_of(), b"1")
        done = move(queue, item, PROCESSED)
        queue.settle([done])
        gateway.forgets = lambda method, _path: method == "HEAD"
        assert queue.settle([done]) == []
        assert queue.metadata(item.in_state(PROCESSED)).outcome.state == "processed"


def test_settle_reports_items_purged_meanwhile_and_leaves_nothing_of_them(queue):
    gone, stays = queue.accept(metadata_of(), b"1"), queue.accept(metadata_of(), b"2")
    moves = [move(queue, gone, PROCESSED), move(queue, stays, PROCESSED)]
    queue.purge(gone)
    assert queue.settle(moves) == [gone]
    assert places(queue) == [(stays.item_id, PROCESSED)]
    assert len(keys(queue)) == 2


def test_an_item_in_two_places_is_in_the_later_one(queue):
    item = queue.accept(metadata_of(), b"1")
    for state in (FAILED, PROCESSED):
        queue.storage.put(item.in_state(state).metadata_key, b"{}")
        queue.storage.copy(item.payload_key, item.in_state(state).payload_key)
        assert queue.find(item.item_id).state is state


def test_a_failure_never_displaces_what_was_merged(queue):
    item = queue.accept(metadata_of(), b"1")
    done, failed = move(queue, item, PROCESSED), move(queue, item, FAILED)
    queue.settle([done])
    queue.accept(queue.metadata(queue.find(item.item_id)), b"1")
    queue.settle([failed])
    assert places(queue) == [(item.item_id, PROCESSED)]
    assert queue.metadata(queue.find(item.item_id)).outcome.state == "processed"


def test_merged_item_leaves_failed(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.settle([move(queue, item, FAILED)])
    queue.accept(metadata_of().model_copy(update={"item_id": item.item_id}), b"1")
    queue.settle([move(queue, item, PROCESSED)])
    assert places(queue) == [(item.item_id, PROCESSED)]


def test_settle_completes_the_others_when_one_request_fails(queue, monkeypatch):
    first, second = queue.accept(metadata_of(), b"1"), queue.accept(metadata_of(), b"2")
    moves = [move(queue, first, PROCESSED), move(queue, second, PROCESSED)]
    copy = queue.storage.copy

    def failing(source, target, size_bytes=None):
        if source == first.payload_key:
            raise StorageUnavailableError("no answer")
        copy(source, target, size_bytes)

    monkeypatch.setattr(queue.storage, "copy", failing)
    with pytest.raises(StorageUnavailableError, match="no answer"):
        queue.settle(moves)
    assert places(queue) == sorted([(first.item_id, ACCEPTED), (second.item_id, PROCESSED)])
