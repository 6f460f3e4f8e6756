from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from packages.common.keys import ItemState, new_item_id, payload_key
from packages.common.models.metadata_model import ItemError, ItemMetadata, Outcome
from packages.common.queue import Move, QueuedItem
from tests.ingress.live import ALICE, BOB, CAROL, CSV, ROOT, Service

START = datetime(2026, 10, 1, tzinfo=UTC)


def put(
    service: Service,
    minute: int,
    *,
    endpoint: str = "weather",
    node: str = "",
    user: str = "alice",
    state: ItemState = ItemState.ACCEPTED,
) -> str:
    moment = START + timedelta(minutes=minute)
    item_id = new_item_id(endpoint, node, moment)
    metadata = ItemMetadata(
        item_id=item_id,
        received_at=moment,
        endpoint_name=endpoint,
        node_path=node,
        username=user,
        content_type="text/csv",
    )
    item = service.queue.accept(metadata, CSV)
    if state is not ItemState.ACCEPTED:
        settle(service, item, metadata, state)
    return item_id


def settle(service: Service, item: QueuedItem, metadata: ItemMetadata, state: ItemState) -> None:
    error = ItemError(kind="payload", message="the row is bad", row=3, column="time", value="x")
    outcome = Outcome(
        state=state,
        finished_at=START,
        attempts=2,
        error=error if state is ItemState.FAILED else None,
    )
    service.queue.settle([Move(item, metadata.model_copy(update={"outcome": outcome}), state)])


@pytest.fixture(autouse=True)
def _clean(service: Service) -> Iterator[None]:
    yield
    service.queue.storage.delete(list(service.stored_keys()))


def ids(service: Service, auth: tuple[str, str] = ROOT, **query: Any) -> list[str]:
    answer = service.client.get("/api/v1/items", params=query, auth=auth)
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def test_items_come_newest_first_whatever_their_endpoint_and_state(service: Service) -> None:
    first = put(service, 1, endpoint="weather")
    second = put(service, 2, endpoint="doc", node="deep/lower", state=ItemState.FAILED)
    third = put(service, 3, endpoint="grid", state=ItemState.PROCESSED)
    assert ids(service) == [third, second, first]


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ({"endpoint": "weather"}, [4, 1]),
        ({"endpoint": "weather", "node": "deep/lower"}, [4]),
        ({"state": "failed"}, [3]),
        ({"user": "bob"}, [2]),
        ({"since": "2026-10-01T00:03:00Z"}, [4, 3]),
        ({"until": "2026-10-01T00:03:00"}, [2, 1]),
        ({"since": "2026-10-01T04:02:00+02:00"}, []),
        ({"since": "2026-10-01T02:02:00+02:00", "until": "2026-10-01T00:04:00Z"}, [3, 2]),
        ({"endpoint": "nowhere"}, []),
    ],
)
def test_filters(service: Service, query: dict[str, str], minutes: list[int]) -> None:
    put(service, 1)
    put(service, 2, endpoint="grid", user="bob")
    put(service, 3, endpoint="doc", state=ItemState.FAILED)
    put(service, 4, node="deep/lower")
    assert [int(item_id[-17:-15]) for item_id in ids(service, **query)] == minutes


@pytest.mark.parametrize("query", [{}, {"user": "alice"}])
def test_a_cursor_stays_stable_while_items_arrive_and_move(service: Service, query: dict[str, str]) -> None:
    oldest_first = [put(service, minute, endpoint=("weather", "grid")[minute % 2]) for minute in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | query | ({"cursor": cursor} if cursor else {})
        page = service.client.get("/api/v1/items", params=params, auth=ROOT).json()
        seen += [item["item_id"] for item in page["items"]]
        put(service, 50)
        moved = service.queue.find(seen[-1])
        assert moved is not None
        metadata = service.queue.metadata(moved)
        assert metadata is not None
        settle(service, moved, metadata, ItemState.PROCESSED)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == oldest_first[::-1]


def test_an_item_left_in_two_places_is_shown_once_in_its_later_state(service: Service) -> None:
    item_id = put(service, 1, state=ItemState.PROCESSED)
    service.queue.storage.put(payload_key(ItemState.ACCEPTED, item_id, "csv"), CSV)
    page = service.client.get("/api/v1/items", auth=ROOT).json()
    assert [(item["item_id"], item["state"]) for item in page["items"]] == [(item_id, "processed")]
    assert ids(service, state="accepted") == []
    assert ids(service, state="processed") == [item_id]


def test_users_see_the_items_of_endpoints_they_may_write(service: Service) -> None:
    weather, private = put(service, 1), put(service, 2, endpoint="private")
    grid, removed = put(service, 3, endpoint="grid"), put(service, 4, endpoint="removed")
    assert ids(service, ALICE) == [grid, weather]
    assert ids(service, BOB) == [grid, private, weather]
    assert ids(service, CAROL) == [grid]
    assert ids(service, ROOT) == [removed, grid, private, weather]
    for path in ("", f"/{private}", f"/{private}/content"):
        params = {} if path else {"endpoint": "private"}
        answer = service.client.get(f"/api/v1/items{path}", params=params)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"limit": "0"}, 422, "parameter_invalid"),
        ({"limit": "many"}, 422, "parameter_invalid"),
        ({"state": "lost"}, 422, "parameter_invalid"),
        ({"since": "yesterday"}, 422, "parameter_invalid"),
        ({"node": "../x"}, 400, "node_path"),
        ({"cursor": "../../etc"}, 400, "node_path"),
        ({"endpoint": "../processed"}, 400, "node_path"),
    ],
)
def test_wrong_queries_are_refused(service: Service, query: dict[str, str], status: int, code: str) -> None:
    answer = service.client.get("/api/v1/items", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_item_tells_what_became_of_it(service: Service) -> None:
    item_id = put(service, 1, node="deep/lower", state=ItemState.FAILED)
    item = service.client.get(f"/api/v1/items/{item_id}").json()
    assert item["state"] == "failed"
    assert item["attempts"] == 2
    assert item["node_path"] == "deep/lower"
    assert item["user"] == "alice"
    assert item["received_at"] == "2026-10-01T00:01:00Z"
    assert item["size_bytes"] == len(CSV)
    error = item["outcome"]["error"]
    assert (error["kind"], error["row"], error["column"], error["value"]) == ("payload", 3, "time", "x")
    assert service.client.get(item["links"]["content"]).content == CSV


def test_content_is_the_payload_as_a_download(service: Service) -> None:
    item_id = put(service, 1)
    answer = service.client.get(f"/api/v1/items/{item_id}/content")
    assert answer.content == CSV
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{item_id.rpartition("/")[2]}.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_quarantined_rows_are_linked_and_served_with_the_rights_of_the_content(service: Service) -> None:
    rejected = b"time,rejected_row,rejected_because\nx,0,unreadable\n"
    item_id = put(service, 1)
    url = f"/api/v1/items/{item_id}"
    assert "rejected" not in service.client.get(url).json()["links"]
    answer = service.client.get(f"{url}/rejected")
    assert (answer.status_code, answer.json()["code"]) == (404, "item_missing")
    assert "no quarantined rows" in answer.json()["detail"]
    quarantine(service, item_id, rejected)
    link = service.client.get(url).json()["links"]["rejected"]
    answer = service.client.get(link)
    assert (answer.status_code, answer.content) == (200, rejected)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-length"] == str(len(rejected))
    name = f"{item_id.rpartition('/')[2]}.rejected.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert service.client.get(link, auth=CAROL).status_code == 403
    assert service.client.get(link, auth=("alice", "guess")).status_code == 401
    assert [item["links"].get("rejected") for item in listed(service)] == [link]
    service.client.post(f"{url}/requeue", auth=ROOT)
    assert service.client.get(link).status_code == 404


def quarantine(service: Service, item_id: str, rejected: bytes) -> None:
    item = service.queue.find(item_id)
    assert item is not None
    metadata = service.queue.metadata(item)
    assert metadata is not None
    outcome = Outcome(state=ItemState.PROCESSED, finished_at=START, attempts=1, quarantined_rows=1)
    settled = metadata.model_copy(update={"outcome": outcome})
    service.queue.settle([Move(item, settled, ItemState.PROCESSED, rejected)])


def listed(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.client.get("/api/v1/items").json()["items"]
    return found


def test_a_foreign_payload_is_shown_as_far_as_it_is_known(service: Service) -> None:
    service.queue.storage.put("accepted/weather/by_hand.csv", CSV)
    item = service.client.get("/api/v1/items/weather/by_hand").json()
    assert (item["state"], item["endpoint"], item["user"]) == ("accepted", "weather", None)
    assert ids(service) == ["weather/by_hand"]


@pytest.mark.parametrize(
    ("item_id", "status"),
    [
        ("weather/20261001T000000_000000000000", 404),
        ("weather", 404),
        ("weather/%2e%2e/%2e%2e/secret", 404),
        ("weather//x", 404),
        ("%2e%2e/x", 404),
        ("weather/x%00", 404),
        ("weather/" + "x" * 2000, 404),
    ],
)
@pytest.mark.parametrize("tail", ["", "/content", "/rejected"])
def test_wrong_item_ids_are_refused(service: Service, item_id: str, status: int, tail: str) -> None:
    assert service.client.get(f"/api/v1/items/{item_id}{tail}").status_code == status


def test_requeue_needs_an_admin_and_a_settled_item(service: Service) -> None:
    item_id = put(service, 1, state=ItemState.FAILED)
    url = f"/api/v1/items/{item_id}/requeue"
    assert service.client.post(url).status_code == 403
    answer = service.client.post(url, auth=ROOT)
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["attempts"]) == ("accepted", 0)
    assert answer.json()["outcome"] is None
    again = service.client.post(url, auth=ROOT)
    assert (again.status_code, again.json()["code"]) == (409, "item_state")


def test_delete_needs_an_admin_and_removes_everything(service: Service) -> None:
    url = f"/api/v1/items/{put(service, 1)}"
    assert service.client.delete(url).status_code == 403
    assert service.client.delete(url, auth=ROOT).status_code == 204
    assert service.client.delete(url, auth=ROOT).status_code == 404
    assert service.stored_keys() == set()


def test_the_history_tells_what_an_item_went_through(service: Service) -> None:
    item_id = put(service, 1, state=ItemState.FAILED)
    url = f"/api/v1/items/{item_id}"
    assert events(service, url) == ["received", "failed"]
    service.client.post(f"{url}/requeue", auth=ROOT)
    assert events(service, url) == ["received", "failed", "requeued"]
    item = service.queue.find(item_id)
    assert item is not None
    metadata = service.queue.metadata(item)
    assert metadata is not None
    settle(service, item, metadata, ItemState.PROCESSED)
    assert events(service, url) == ["received", "failed", "requeued", "processed"]
    failed = service.client.get(url).json()["history"][1]
    assert (failed["attempt"], failed["error"]["row"], failed["error"]["message"]) == (2, 3, "the row is bad")


def events(service: Service, url: str) -> list[str]:
    return [event["event"] for event in service.client.get(url).json()["history"]]


def test_delete_also_removes_what_an_interrupted_move_left(service: Service) -> None:
    item_id = put(service, 1, state=ItemState.PROCESSED)
    service.queue.storage.put(payload_key(ItemState.ACCEPTED, item_id, "csv"), CSV)
    assert service.client.delete(f"/api/v1/items/{item_id}", auth=ROOT).status_code == 204
    assert service.stored_keys() == set()
