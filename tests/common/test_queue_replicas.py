"""Several replicas accept the same item."""

from __future__ import annotations

import threading

from packages.common import queue as queue_module
from tests.common.queue_items import ACCEPTED, PROCESSED, metadata_of, move, places


def test_accept_once_makes_one_item(queue):
    metadata = metadata_of(unique="a" * 12)
    assert queue.accept_once(metadata, b"first") is True
    assert queue.accept_once(metadata, b"second") is False
    (item,) = queue.items(ACCEPTED)
    assert queue.payload(item) == b"first"
    queue.settle([move(queue, item, PROCESSED)])
    assert queue.accept_once(metadata, b"third") is False
    assert places(queue) == [(item.item_id, PROCESSED)]


def test_racing_replicas_make_one_item_with_its_own_metadata(queue, monkeypatch):
    monkeypatch.setattr(queue_module, "CLAIM_POLL_S", 0.01)
    base = metadata_of(unique="b" * 12)
    start, results = threading.Barrier(4), {}

    def replica(number):
        start.wait()
        results[number] = queue.accept_once(
            base.model_copy(update={"sha256": str(number)}), str(number).encode()
        )

    threads = [threading.Thread(target=replica, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (item,) = queue.items(ACCEPTED)
    winner = queue.payload(item).decode()
    assert [number for number, won in results.items() if won] == [int(winner)]
    assert queue.metadata(item).sha256 == winner


def test_a_dead_replica_is_replaced(queue):
    base = metadata_of(unique="c" * 12)
    queue.storage.create(f"accepted/{base.item_id}.csv.meta.json", base.to_json())
    mine = base.model_copy(update={"sha256": "mine"})
    assert queue.accept_once(mine, b"mine", patience_s=0) is True
    (item,) = queue.items(ACCEPTED)
    assert (queue.payload(item), queue.metadata(item).sha256) == (b"mine", "mine")
