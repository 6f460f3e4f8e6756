from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.common import idempotency
from packages.common.errors import StorageUnavailableError
from packages.common.idempotency import PREFIX, KeyRecord, KeyRecords, expired_records, record_name
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemMetadata
from packages.common.queue import Move, Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from services.ingress_service.errors import KeyBusyError, KeyReusedError
from services.ingress_service.web.uploads.idempotency import KeyedUpload
from services.ingress_service.web.uploads.keeping import Keeper
from tests.hypothesis_profiles import examples
from tests.ingress.hostile import connected, head, status
from tests.ingress.live import BOB, CSV, CSV_TYPE, Service, receive
from tests.rigs.waiting import PATIENCE_S, wait_until

OTHER = CSV.replace(b"5.5", b"6.5")


def post(
    service: Service, key: str, content: bytes = CSV, path: str = "/api/v1/weather", **more: Any
) -> httpx.Response:
    return service.post(path, content, headers=CSV_TYPE | {"Idempotency-Key": key}, **more)


def items(service: Service) -> int:
    return sum(key.endswith(".csv") for key in service.stored_keys())


@pytest.mark.parametrize(("ahead", "fresh"), [(-61, False), (-59, True), (30, True), (7200, False)])
def test_a_claim_is_fresh_for_a_minute_and_none_that_a_wrong_clock_made(ahead: int, fresh: bool) -> None:
    now = datetime.now(UTC)
    claim = KeyRecord(
        item_id="weather/x", received_at=now, fingerprint="", claimed_at=now + timedelta(seconds=ahead)
    )
    assert claim.is_fresh(now) is fresh


def test_the_same_request_again_gets_the_same_answer_and_makes_no_second_item(service: Service) -> None:
    first = post(service, "again")
    before = items(service)
    second = post(service, '"again"')
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert items(service) == before
    item = service.queue.find(first.json()["item_id"])
    assert item is not None
    metadata = service.queue.metadata(item)
    assert metadata is not None
    assert metadata.idempotency_key == "again"


def test_an_item_that_has_moved_on_still_answers_for_its_key(service: Service) -> None:
    first = post(service, "moved")
    item = service.queue.find(first.json()["item_id"])
    assert item is not None
    metadata = service.queue.metadata(item)
    assert metadata is not None
    service.queue.settle([Move(item, metadata, ItemState.PROCESSED)])
    assert post(service, "moved").json() == first.json()


@pytest.mark.parametrize(
    ("content", "path"),
    [(OTHER, "/api/v1/weather"), (b"when,level\n2026-10-01,1\n", "/api/v1/weather/deep/lower")],
)
def test_another_payload_or_node_under_the_same_key_is_refused(
    service: Service, content: bytes, path: str
) -> None:
    post(service, "reused")
    before = service.stored_keys()
    answer = post(service, "reused", content, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert service.stored_keys() == before


def test_a_key_is_that_of_one_user_on_one_endpoint(service: Service) -> None:
    answers = [
        post(service, "shared"),
        post(service, "shared", auth=BOB),
        post(service, "shared", path="/api/v1/strict"),
    ]
    assert len({answer.json()["item_id"] for answer in answers}) == 3


def test_a_refused_request_leaves_its_key_free(service: Service) -> None:
    assert post(service, "corrected", b"name\neast\n").status_code == 400
    assert post(service, "corrected").status_code == 202


def test_a_trial_takes_no_notice_of_keys(service: Service) -> None:
    assert post(service, "trial", path="/api/v1/weather?validate=only").status_code == 200
    assert post(service, "trial", OTHER).status_code == 202


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "\u00e9".encode("latin-1")])
def test_a_key_that_is_none_is_refused(service: Service, key: Any) -> None:
    headers = CSV_TYPE | {"Idempotency-Key": key}
    answer = service.post(headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "header_malformed")


def test_a_second_request_is_told_that_the_first_is_still_handled(service: Service) -> None:
    whole = head(f"Content-Length: {len(CSV)}", "Idempotency-Key: slow")
    with connected(service) as connection:
        connection.sendall(whole + CSV[:-5])
        wait_until(lambda: service.app.state.ingress.gate.uploads, "the upload")
        busy = post(service, "slow")
        connection.sendall(CSV[-5:])
        assert status(receive(connection)) == 202
    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_key_busy")
    assert post(service, "slow").headers["idempotent-replayed"] == "true"


def test_racing_requests_make_one_item(service: Service) -> None:
    before = items(service)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(service, "race"), range(24)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["item_id"] for answer in answers if answer.status_code == 202}) == 1
    assert items(service) == before + 1


def test_what_a_failing_storage_cut_short_the_next_request_makes_good(
    start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    keeper = service.app.state.ingress.keeper
    with monkeypatch.context() as patch:

        async def fail(*_: Any) -> None:
            raise StorageUnavailableError("away")

        patch.setattr(keeper, "keep", fail)
        assert post(service, "cut").status_code == 503
    again = post(service, "cut")
    assert again.status_code == 202, again.text
    assert "idempotent-replayed" not in again.headers
    assert post(service, "cut").json() == again.json()
    assert items(service) == 1


def test_records_expire_after_a_day_and_are_no_items(service: Service) -> None:
    answer = post(service, "old")
    storage = service.queue.storage
    names = [info.key for info in storage.list(PREFIX)]
    assert record_name("alice", "weather", "old") in names
    assert list(expired_records(storage)) == []
    assert set(expired_records(storage, now=datetime.now(UTC) + timedelta(hours=25))) == set(names)
    assert answer.json()["item_id"] in {item.item_id for item in service.queue.items(ItemState.ACCEPTED)}


class Replica:
    """One ingress of several over the same storage, which may die between any two of its steps."""

    def __init__(self, queue: Queue) -> None:
        self.keeper = Keeper(queue, None, PATIENCE_S)
        self.queue = queue
        self.records = KeyRecords(queue.storage)

    async def request(self, payload: str, number: int, dies_after: int) -> str:
        upload = KeyedUpload(self, "key", "idempotency/key.json")  # type: ignore[arg-type]
        steps = 0

        async def step() -> None:
            nonlocal steps
            await asyncio.sleep(0)
            steps += 1
            if steps > dies_after:
                raise DeadError

        try:
            earlier = await upload.earlier()
            await step()
            now = datetime.now(UTC)
            item_id, at = (
                (earlier.item_id, earlier.received_at)
                if earlier
                else (f"w/20261120T000000_{number:012x}", now)
            )
            metadata = ItemMetadata(item_id=item_id, received_at=at, content_type="text/csv", sha256=payload)
            answered = await upload.answered_by(metadata)
            await step()
            if answered is not None:
                return answered
            await self.queue.accept_async(metadata, payload.encode())
            await step()
        except KeyBusyError:
            return "busy"
        except KeyReusedError:
            return "reused"
        except DeadError:
            return "dead"
        return item_id


class DeadError(Exception):
    """The replica is gone."""


@given(
    st.lists(st.tuples(st.sampled_from("aab"), st.integers(0, 4), st.booleans()), min_size=1, max_size=8),
    st.booleans(),
)
@settings(max_examples=examples(60))
def test_whatever_dies_one_item_comes_of_a_key(requests: list[tuple[str, int, bool]], stale: bool) -> None:
    name = f"memory://{time.time_ns()}-{threading.get_ident()}"
    queue = Queue(ObjectStorage(name, Settings(_env_file=None, s3_queue_url=name)))

    async def scene() -> list[str]:
        answers = []
        batch: list[Any] = []
        for number, (payload, dies_after, waits) in enumerate(requests):
            batch.append(Replica(queue).request(payload, number, dies_after))
            if waits:
                answers += await asyncio.gather(*batch)
                batch = []
        answers += await asyncio.gather(*batch)
        return answers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idempotency, "CLAIM_S", -1.0 if stale else 60.0)
        answers = asyncio.run(scene())
        told = set(answers) - {"busy", "reused", "dead"}
        found = [item.item_id for item in queue.items(ItemState.ACCEPTED)]
        assert len(found) <= 1
        assert told <= set(found)
        patch.setattr(idempotency, "CLAIM_S", -1.0)
        record = asyncio.run(KeyRecords(queue.storage).find("idempotency/key.json"))
        payload = queue.payload(next(queue.items(ItemState.ACCEPTED))).decode() if found else None
        last = asyncio.run(Replica(queue).request(payload or _payload_of(record, requests), 99, 9))
        assert last in ({*found} if found else {last})
        assert last not in {"busy", "reused", "dead"}
    assert len(list(queue.items(ItemState.ACCEPTED))) == 1


def _payload_of(record: KeyRecord | None, requests: list[tuple[str, int, bool]]) -> str:
    """The payload that a claim stands for."""
    if record is None:
        return requests[0][0]
    candidates = {
        idempotency.fingerprint_of(
            ItemMetadata(item_id="x", received_at=datetime.now(UTC), content_type="text/csv", sha256=payload)
        ): payload
        for payload, _, _ in requests
    }
    return candidates[record.fingerprint]
