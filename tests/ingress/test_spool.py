"""Uploads while the storage is away, with a folder that keeps them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from packages.common.errors import (
    ConfigurationError,
    StorageAccessError,
    StorageError,
    StorageUnavailableError,
)
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Move, Queue, QueuedItem
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service import spool_forwarder
from services.ingress_service.spool import Spool
from services.ingress_service.spool_forwarder import SpoolForwarder
from tests.ingress.live import CSV, CSV_TYPE, Service, running, settings_for
from tests.ingress.uploads.test_streaming import LARGE
from tests.rigs.waiting import wait_until


class Switch:
    """Lets every request to the storage fail while it is off, but for those of one thread."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.on = True
        self.on_for = 0
        for name in ("put", "get", "list", "create", "delete", "head"):
            self._guard(patch, name)
        put = ObjectStorage.put_async

        async def guarded(storage: ObjectStorage, *arguments: Any) -> None:
            self._check()
            await put(storage, *arguments)

        patch.setattr(ObjectStorage, "put_async", guarded)

    def _guard(self, patch: pytest.MonkeyPatch, name: str) -> None:
        act = getattr(ObjectStorage, name)

        def guarded(storage: ObjectStorage, *arguments: Any) -> Any:
            self._check()
            return act(storage, *arguments)

        patch.setattr(ObjectStorage, name, guarded)

    def _check(self) -> None:
        if not self.on and threading.get_ident() != self.on_for:
            raise StorageUnavailableError("off")


@pytest.fixture
def storage_switch(monkeypatch: pytest.MonkeyPatch) -> Switch:
    monkeypatch.setattr(spool_forwarder, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(spool_forwarder, "LONGEST_PAUSE_S", 0.05)
    return Switch(monkeypatch)


def accepted(service: Service) -> dict[str, bytes]:
    queue = service.queue
    return {item.item_id: queue.payload(item) for item in queue.items(ItemState.ACCEPTED)}


def test_uploads_are_taken_while_the_storage_is_away_and_forwarded_when_it_returns(
    start: Callable[..., Service], storage_switch: Switch, tmp_path: Path
) -> None:
    service = start(spool_dir=tmp_path / "spool")
    storage_switch.on = False
    sent = {}
    for content in (CSV, LARGE, CSV.replace(b"5.5", b"6.5")):
        answer = service.post(content=content)
        assert answer.status_code == 202, answer.text
        sent[answer.json()["item_id"]] = content
        state = service.client.get(answer.json()["state_url"])
        assert (state.status_code, state.json()["state"]) == (200, "accepted")
        assert state.json()["size_bytes"] == len(content)
    assert service.client.get(answer.json()["state_url"], auth=("alice", "guess")).status_code == 401
    storage_switch.on = True
    wait_until(lambda: accepted(service) == sent)
    wait_until(lambda: [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"])
    assert service.client.get(answer.json()["state_url"]).json()["state"] == "accepted"


def test_what_is_spooled_survives_a_restart(tmp_path: Path, storage_switch: Switch) -> None:
    settings = settings_for(tmp_path, spool_dir=tmp_path / "spool")
    storage_switch.on = False
    with running(settings) as service:
        item_id = service.post().json()["item_id"]
    storage_switch.on = True
    with running(settings) as service:
        wait_until(lambda: accepted(service) == {item_id: CSV})


def test_a_storage_that_is_there_is_used_and_leaves_no_trace_in_the_spool(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    service = start(spool_dir=tmp_path / "spool")
    ids = [service.post(content=content).json()["item_id"] for content in (CSV, LARGE)]
    assert accepted(service) == dict(zip(ids, (CSV, LARGE), strict=True))
    wait_until(lambda: [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"])


def test_without_a_spool_and_with_a_full_one_the_answer_is_503(
    start: Callable[..., Service], storage_switch: Switch, tmp_path: Path
) -> None:
    service = start(spool_dir=tmp_path / "spool", spool_max_bytes=len(CSV) + 10)
    storage_switch.on = False
    assert [service.post().status_code for _ in range(2)] == [202, 503]
    refused = service.post(content=LARGE)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert sorted(path.suffix for path in (tmp_path / "spool").iterdir()) == ["", ".json", ".payload"]


def test_a_key_needs_the_storage_because_other_replicas_must_know_it(
    start: Callable[..., Service], storage_switch: Switch, tmp_path: Path
) -> None:
    service = start(spool_dir=tmp_path / "spool")
    storage_switch.on = False
    assert service.post(headers=CSV_TYPE | {"Idempotency-Key": "k"}).status_code == 503
    storage_switch.on = True
    assert service.post(headers=CSV_TYPE | {"Idempotency-Key": "k"}).status_code == 202


def metadata(number: int) -> ItemMetadata:
    at = datetime(2026, 11, 20, 8, 15, number, tzinfo=UTC)
    return ItemMetadata(
        item_id=f"w/{at:%Y%m%dT%H%M%S}_{number:012x}", received_at=at, content_type="text/csv"
    )


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", 1000)
    made.open()
    yield made
    made.close()


def test_items_come_out_in_the_order_they_came_in(spool: Spool) -> None:
    for number in (3, 1, 2):
        spool.add(metadata(number), b"%d" % number)
    out = []
    while (item := spool.oldest()) is not None:
        out.append(item.payload.read_bytes())
        spool.remove(item)
    assert out == [b"3", b"1", b"2"]
    assert (spool.size_bytes, spool.is_empty) == (0, True)


def test_an_item_is_on_disk_with_its_folder_before_add_returns(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    spool.add(metadata(1), b"1")
    assert len(synced) == 3
    assert synced[-1] == "spool"


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_disk_that_fails_leaves_nothing_half_in_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    spool, calls = Spool(tmp_path / "spool", 1000), iter(range(10))
    real = os.fsync

    def fsync(number: int) -> None:
        if next(calls) == fails_at:
            raise OSError(5, "Input/output error")
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError):
        spool.add(metadata(1), b"1")
    assert (spool.size_bytes, spool.is_empty) == (0, True)
    reopened = Spool(tmp_path / "spool", 1000)
    reopened.open()
    assert reopened.is_empty
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]
    reopened.close()


def test_leftovers_of_a_crash_go_and_entries_that_cannot_be_read_stay(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    for name in ("1.payload", "x.part", "2.json", "2.payload"):
        (folder / name).write_bytes(b"?")
    spool = Spool(folder, 1000)
    spool.open()
    assert spool.is_empty
    assert sorted(path.name for path in folder.iterdir()) == ["2.json", "2.payload", "lock"]
    spool.close()


def test_a_folder_belongs_to_one_process(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="another process"):
        Spool(tmp_path / "spool", 1000).open()
    with pytest.raises(ConfigurationError, match="SPOOL_DIR"):
        Spool(tmp_path / "spool" / "lock" / "below", 1000)


def test_what_is_deleted_is_gone_at_once_and_stays_gone_after_a_restart(spool: Spool, tmp_path: Path) -> None:
    for number in (1, 2):
        spool.add(metadata(number), b"12345")
    gone, kept = metadata(1).item_id, metadata(2).item_id
    assert spool.delete(gone)
    assert not spool.delete(gone)
    assert (spool.find(gone), spool.is_deleted(gone), spool.size_bytes) == (None, True, 5)
    spool.close()
    again = Spool(tmp_path / "spool", 1000)
    again.open()
    assert [item.metadata.item_id for item in again.waiting()] == [kept]
    assert again.is_deleted(gone)
    again.close()


def test_an_item_deleted_while_it_is_forwarded_does_not_stay_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (tmp_path / "queue").as_uri()
    queue, spool = (
        Queue(ObjectStorage(url, Settings(_env_file=None, s3_queue_url=url))),
        Spool(tmp_path, 1000),
    )
    accept, told = Queue.accept, []

    def deleted_meanwhile(self: Queue, item: ItemMetadata, payload: Any) -> Any:
        accepted = accept(self, item, payload)
        assert spool.delete(item.item_id)
        return accepted

    monkeypatch.setattr(Queue, "accept", deleted_meanwhile)
    forwarder = SpoolForwarder(spool, queue, told.append)
    forwarder.start()
    spool.add(metadata(1), b"1")
    wait_until(lambda: not spool.is_deleted(metadata(1).item_id) and spool.is_empty)
    forwarder.stop()
    assert [*queue.items(ItemState.ACCEPTED)] == []
    assert told == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "queue"]


def test_a_deletion_that_the_storage_refuses_holds_up_no_other_item(
    tmp_path: Path, storage_switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (tmp_path / "queue").as_uri()
    queue, spool = (
        Queue(ObjectStorage(url, Settings(_env_file=None, s3_queue_url=url))),
        Spool(tmp_path, 1000),
    )
    queue.accept(metadata(1), b"1")
    allowed = threading.Event()
    purge = Queue.purge_everywhere

    def guarded(self: Queue, item: QueuedItem) -> None:
        if not allowed.is_set():
            raise StorageAccessError("deleting is not allowed")
        purge(self, item)

    monkeypatch.setattr(Queue, "purge_everywhere", guarded)
    for number in (1, 2):
        spool.add(metadata(number), b"%d" % number)
    spool.delete(metadata(1).item_id)
    forwarder = SpoolForwarder(spool, queue)
    forwarder.start()
    wait_until(lambda: queue.find(metadata(2).item_id) is not None)
    assert spool.is_deleted(metadata(1).item_id)
    allowed.set()
    wait_until(lambda: queue.find(metadata(1).item_id) is None)
    forwarder.stop()


@pytest.mark.parametrize("found_in", list(ItemState))
def test_an_item_whose_forwarding_was_cut_short_does_not_come_twice(
    tmp_path: Path, found_in: ItemState
) -> None:
    url = (tmp_path / "queue").as_uri()
    queue = Queue(ObjectStorage(url, Settings(_env_file=None, s3_queue_url=url)))
    item = queue.accept(metadata(1), b"1")
    if found_in is not ItemState.ACCEPTED:
        queue.settle([Move(item, metadata(1), found_in)])
    spool = Spool(tmp_path / "spool", 1000)
    forwarder = SpoolForwarder(spool, queue)
    forwarder.start()
    spool.add(metadata(1), b"1")
    wait_until(lambda: spool.is_empty)
    forwarder.stop()
    states = [state for state in ItemState for _ in queue.items(state)]
    assert states == [found_in]
