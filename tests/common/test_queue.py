from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from packages.common import queue as queue_module
from packages.common.errors import (
    ItemBusyError,
    ItemNotFoundError,
    MetadataError,
    NodePathError,
    StorageUnavailableError,
)
from packages.common.keys import ItemState, new_item_id
from packages.common.models.metadata_model import ItemMetadata, Outcome
from packages.common.queue import Move, Queue
from tests.common.faulty_storage import CrashError, memory_storage

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCEPTED, FAILED, PROCESSED = ItemState.ACCEPTED, ItemState.FAILED, ItemState.PROCESSED


def metadata_of(node="", endpoint="weather", unique=None, **extra) -> ItemMetadata:
    item_id = new_item_id(endpoint, node, NOON, unique)
    return ItemMetadata(item_id=item_id, content_type="text/csv", received_at=NOON, node_path=node, **extra)


def with_outcome(metadata: ItemMetadata, state: str) -> ItemMetadata:
    return metadata.model_copy(update={"outcome": Outcome(state=state, finished_at=NOON)})


def move(queue, item, state) -> Move:
    return Move(item, with_outcome(queue.metadata(item), state), state)


def places(queue: Queue) -> list[tuple[str, ItemState]]:
    return sorted((item.item_id, state) for state in ItemState for item in queue.items(state))


def keys(queue: Queue) -> list[str]:
    return [info.key for info in queue.storage.list("")]


def test_accepted_item_has_payload_and_metadata(queue):
    item = queue.accept(metadata_of("level1", source="gauge 7"), b"a,b\n1,2\n")
    assert list(queue.items(ACCEPTED)) == [item]
    assert queue.payload(item) == b"a,b\n1,2\n"
    assert queue.metadata(item).item_id == item.item_id
    assert queue.metadata(item).model_extra == {"source": "gauge 7"}
    assert item.size_bytes == 8


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


def test_metadata_is_found_where_a_removal_was_cut_short(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.settle([move(queue, item, FAILED)])
    queue.storage.copy(item.in_state(FAILED).payload_key, item.payload_key)
    assert queue.metadata(item).outcome.state == "failed"


def test_metadata_is_found_where_a_requeue_was_cut_short(queue):
    item = queue.accept(metadata_of(), b"1")
    queue.storage.copy(item.payload_key, item.in_state(FAILED).payload_key)
    assert queue.metadata(queue.find(item.item_id)).item_id == item.item_id


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
    monkeypatch.setattr(queue_module, "REQUESTS_IN_FLIGHT", 1)

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
