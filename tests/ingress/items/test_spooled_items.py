"""Items that wait in the spool, as clients see them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packages.common.errors import StorageUnavailableError
from packages.common.keys import ItemState
from services.ingress_service.spool import SpooledItem
from tests.ingress.live import ALICE, CAROL, CSV, CSV_TYPE, ROOT, Service, running, settings_for
from tests.ingress.test_spool import Switch, accepted, storage_switch
from tests.ingress.uploads.test_streaming import LARGE
from tests.rigs.waiting import wait_until

__all__ = ["storage_switch"]
GRID = b"E,N,value\n1,1,1\n"


@pytest.fixture
def service(start: Callable[..., Service], storage_switch: Switch, tmp_path: Path) -> Service:
    started = start(spool_dir=tmp_path / "spool")
    storage_switch.on = False
    return started


def spool_one(service: Service, content: bytes = CSV, path: str = "/api/v1/weather") -> dict[str, Any]:
    answer = service.post(path, content)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = service.client.get(answer.json()["state_url"]).json()
    return found


def listed(service: Service, auth: tuple[str, str] = ALICE, **query: Any) -> dict[str, Any]:
    answer = service.client.get("/api/v1/items", params=query, auth=auth)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@pytest.mark.parametrize("content", [CSV, LARGE])
def test_the_content_comes_from_the_spool(service: Service, content: bytes) -> None:
    item = spool_one(service, content)
    assert (item["state"], item["spooled"]) == ("accepted", True)
    answer = service.client.get(item["links"]["content"])
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-length"] == str(len(content))
    name = item["item_id"].rpartition("/")[2]
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
    assert service.client.get(item["links"]["content"], auth=CAROL).status_code == 403
    assert service.client.get(f"{item['links']['self']}/rejected").status_code == 404


def test_requeue_says_that_the_item_has_not_reached_the_queue(service: Service) -> None:
    url = f"{spool_one(service)['links']['self']}/requeue"
    assert service.client.post(url).status_code == 403
    answer = service.client.post(url, auth=ROOT)
    assert (answer.status_code, answer.json()["code"]) == (409, "item_state")
    assert "not been forwarded" in answer.json()["detail"]


def test_delete_removes_it_for_good_though_the_storage_is_away(
    service: Service, storage_switch: Switch, tmp_path: Path
) -> None:
    kept, gone = (spool_one(service) for _ in range(2))
    url = gone["links"]["self"]
    assert service.client.delete(url).status_code == 403
    assert service.client.delete(url, auth=ROOT).status_code == 204
    for tail in ("", "/content", "/rejected"):
        answer = service.client.get(url + tail)
        assert (answer.status_code, answer.json()["code"]) == (404, "item_missing")
    assert service.client.delete(url, auth=ROOT).status_code == 404
    storage_switch.on = True
    wait_until(lambda: sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["lock"])
    assert list(accepted(service)) == [kept["item_id"]]
    assert service.client.get(url).status_code == 404


def test_what_was_deleted_is_not_forwarded_after_a_restart(tmp_path: Path, storage_switch: Switch) -> None:
    settings = settings_for(tmp_path, spool_dir=tmp_path / "spool")
    storage_switch.on = False
    with running(settings) as service:
        kept, gone = (spool_one(service) for _ in range(2))
        assert service.client.delete(gone["links"]["self"], auth=ROOT).status_code == 204
    with running(settings) as service:
        assert service.client.get(gone["links"]["self"]).status_code == 404
        storage_switch.on = True
        wait_until(lambda: sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["lock"])
        assert list(accepted(service)) == [kept["item_id"]]


def test_delete_also_takes_back_what_an_unanswered_request_has_stored(
    service: Service, storage_switch: Switch, tmp_path: Path
) -> None:
    item = spool_one(service)
    stored = service.app.state.ingress.spool.find(item["item_id"])
    storage_switch.on_for = threading.get_ident()
    service.queue.accept(stored.metadata, stored.payload)
    storage_switch.on_for = 0
    assert service.client.delete(item["links"]["self"], auth=ROOT).status_code == 204
    storage_switch.on = True
    wait_until(lambda: not [*service.queue.items(ItemState.ACCEPTED)])


def test_an_item_with_a_key_is_not_deleted_before_it_is_forwarded(
    service: Service, storage_switch: Switch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client may send it again under the same id, to any replica; that must not be deleted later."""

    def held(_: SpooledItem) -> None:
        raise StorageUnavailableError("held")

    monkeypatch.setattr(service.app.state.ingress.forwarder, "_forward", held)
    spool_one(service)
    storage_switch.on = True
    answer = service.post(headers=CSV_TYPE | {"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    refused = service.client.delete(answer.json()["state_url"], auth=ROOT)
    assert (refused.status_code, refused.json()["code"]) == (409, "item_busy")
    assert "forwarded" in refused.json()["detail"]
    assert service.client.get(answer.json()["state_url"]).json()["spooled"]


def test_a_page_of_the_spool_needs_no_storage(service: Service) -> None:
    first, second = spool_one(service), spool_one(service)
    other = spool_one(service, GRID, "/api/v1/grid")
    every = sorted(
        (one["item_id"] for one in (first, second, other)), key=lambda one: one[-28:], reverse=True
    )
    page = listed(service, spooled=True)
    assert sorted(one["item_id"] for one in page["items"]) == sorted(every)
    assert all(one["spooled"] for one in page["items"])
    assert (page["spooled"], page["next_cursor"]) == (3, None)
    assert [one["item_id"] for one in listed(service, spooled=True, endpoint="grid")["items"]] == [
        other["item_id"]
    ]
    assert [one["item_id"] for one in listed(service, CAROL, spooled=True)["items"]] == [other["item_id"]]
    assert listed(service, spooled=True, state="failed")["items"] == []
    assert listed(service, spooled=True, user="bob")["items"] == []
    assert listed(service, spooled=True, until="2020-01-01")["items"] == []
    seen, cursor = [], None
    while True:
        part = listed(service, spooled=True, limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [one["item_id"] for one in part["items"]]
        if (cursor := part["next_cursor"]) is None:
            break
    assert seen == [one["item_id"] for one in page["items"]]


def test_an_ordinary_page_says_how_many_it_does_not_show(service: Service, storage_switch: Switch) -> None:
    spool_one(service)
    answer = service.client.get("/api/v1/items")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    service.app.state.ingress.forwarder.stop()
    storage_switch.on = True
    assert service.post("/api/v1/grid", GRID, headers=CSV_TYPE, auth=CAROL).status_code == 202
    for query, auth, hidden in (({}, ALICE, 2), ({"endpoint": "grid"}, ALICE, 1), ({}, CAROL, 1)):
        page = listed(service, auth, **query)
        assert (page["items"], page["spooled"]) == ([], hidden)
