from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packages.common.errors import StorageUnavailableError
from packages.common.keys import ItemState
from packages.common.s3io import ObjectStorage
from services.ingress_service.web import health
from services.ingress_service.web.signals import watch
from tests.ingress.live import CSV, Service
from tests.rigs.waiting import PATIENCE_S, wait_until
from zarr_fuse.storage.abilities import Abilities

Start = Callable[..., Service]


def checks_of(service: Service) -> dict[str, Any]:
    return {check["name"]: check for check in service.client.get("/health/ready").json()["checks"]}


def watched(service: Service) -> Any:
    """The watch of a service after its first round."""
    found = service.app.state.ingress.watch
    wait_until(lambda: found.abilities is not None or found.trouble is not None, "the first round")
    return found


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Rounds of a watch that takes no rest; one more entry at the end of each."""
    monkeypatch.setattr(watch, "INTERVAL_S", 0.02)
    monkeypatch.setattr(watch, "REST", 0)
    done: list[None] = []
    look = watch.Watch.look
    monkeypatch.setattr(watch.Watch, "look", lambda found: done.append(look(found)))
    return done


def test_health_touches_nothing(start: Start, tmp_path: Path) -> None:
    service = start()
    watched(service)
    shutil.rmtree(tmp_path / "queue")
    answer = service.client.get("/health", auth=None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not (tmp_path / "queue").exists()


def test_ready_names_each_check_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    service = start()
    watched(service)
    checks = checks_of(service)
    assert {"storage", "scheduler", "oldest_accepted", "storage_abilities"} <= set(checks)
    assert all(check["ok"] for check in checks.values())
    assert checks["oldest_accepted"]["detail"] == "nothing waits"
    assert checks["storage_abilities"]["detail"] == "all that is needed"
    assert not [path for path in (tmp_path / "queue").rglob("*") if path.is_file()]


def test_ready_tells_how_long_the_oldest_item_waits(start: Start) -> None:
    service = start()
    watched(service)
    service.post()
    assert re.fullmatch(r"1 item waits, for \d+ s by now", waiting(service))
    service.post()
    assert re.fullmatch(r"2 items wait, the oldest for \d+ s", waiting(service))


def waiting(service: Service) -> str:
    """What readiness says of the queue, asked anew."""
    service.app.state.ingress.readiness._report = None  # it is remembered for seconds
    return str(checks_of(service)["oldest_accepted"]["detail"])


def test_probing_readiness_costs_the_storage_one_check_in_a_while(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REMEMBERED_S", 10 * PATIENCE_S)
    service = start()
    watched(service)
    written: list[str] = []
    put = ObjectStorage.put
    monkeypatch.setattr(
        ObjectStorage, "put", lambda self, key, data: written.append(key) or put(self, key, data)
    )
    threads = [threading.Thread(target=service.client.get, args=("/health/ready",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == 1


def test_a_broken_storage_is_503_with_the_check_that_failed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REMEMBERED_S", 0.0)
    service = start()
    watched(service)
    assert service.client.get("/health/ready").status_code == 200
    shutil.rmtree(tmp_path / "queue")
    (tmp_path / "queue").write_text("no folder")
    answer = service.client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "retry-after" in answer.headers
    problem = answer.json()
    assert problem["code"] == "not_ready"
    assert [check["name"] for check in problem["checks"] if not check["ok"]] == ["storage"]
    assert str(tmp_path) not in answer.text


def test_what_the_storage_cannot_do_is_logged_once_and_shown_while_uploads_go_on(
    start: Start, rounds: list[None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = Abilities(create_only=False, list_after_write=True, multipart=True)
    monkeypatch.setattr(ObjectStorage, "abilities", lambda self: found)
    service = start()
    wait_until(lambda: len(rounds) > 4, "five rounds")
    answer = service.client.get("/health/ready")
    assert answer.status_code == 200
    check = checks_of(service)["storage_abilities"]
    assert (check["ok"], check["required"]) == (False, False)
    assert "two racing ones both succeed" in check["detail"]
    assert service.post().status_code == 202
    assert len([line for line in caplog.messages if "cannot do everything" in line]) == 1


def test_a_storage_that_is_away_at_the_start_is_probed_when_it_is_back(
    start: Start, rounds: list[None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = threading.Event()
    away.set()
    probe = ObjectStorage.abilities

    def abilities(storage: ObjectStorage) -> Abilities:
        if away.is_set():
            raise StorageUnavailableError("connection refused")
        return probe(storage)

    monkeypatch.setattr(ObjectStorage, "abilities", abilities)
    service = start()
    found = service.app.state.ingress.watch
    assert watched(service).trouble == "storage_unavailable"
    wait_until(lambda: len(rounds) > 4, "five rounds")
    assert len([line for line in caplog.messages if "cannot be watched" in line]) == 1
    away.clear()
    wait_until(lambda: found.abilities is not None and not found.trouble, "the storage")
    assert found.abilities.lacking == ()


def test_a_full_queue_refuses_uploads_but_still_checks_them(start: Start) -> None:
    service = start(queue_max_items=2)
    found = watched(service)
    assert [service.post().status_code for _ in range(3)] == [202, 202, 503]
    refused = service.post()
    assert refused.json()["code"] == "queue_full"
    assert int(refused.headers["retry-after"]) > 0
    assert service.post("/api/v1/weather?validate=only").status_code == 200
    assert service.post(auth=("alice", "wrong")).status_code == 401
    assert "the queue is full" in checks_of(service)["oldest_accepted"]["detail"]
    for item in list(service.queue.items(ItemState.ACCEPTED)):
        service.queue.purge(item)
    found.look()
    assert service.post().status_code == 202


def test_the_count_finds_what_others_have_stored_and_ends_at_its_bound(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingress_service.web.signals.queue_depth.COUNTED_ITEMS", 3)
    service = start()
    found = watched(service)
    for name in ("weather/20260101T000000_00000000000a", "weather/20250101T000000_00000000000b", "gone/x"):
        service.queue.storage.put(f"accepted/{name}.csv", CSV)
    service.queue.storage.put("failed/grid/20260101T000000_00000000000c.csv", CSV)
    found.look()
    depth = found.depth
    assert (depth.items(ItemState.ACCEPTED, "weather"), depth.items(ItemState.ACCEPTED, "other")) == (2, 1)
    assert depth.items(ItemState.FAILED, "grid") == 1
    assert f"{depth.oldest:%Y%m%d}" == "20250101"
    assert "3 or more items wait" in depth.describe()


def test_with_a_spool_the_service_is_ready_while_the_storage_is_away(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REMEMBERED_S", 0.0)
    service = start(spool_dir=tmp_path / "spool", spool_max_bytes=len(CSV))
    watched(service)
    assert checks_of(service)["spool"]["detail"] == "empty"
    shutil.rmtree(tmp_path / "queue")
    (tmp_path / "queue").write_text("no folder")
    assert service.client.get("/health/ready").status_code == 200
    assert checks_of(service)["storage"]["ok"] is False
    assert service.post().status_code == 202
    full = service.client.get("/health/ready")
    assert full.status_code == 503
    spool = next(check for check in full.json()["checks"] if check["name"] == "spool")
    assert (spool["ok"], spool["detail"]) == (False, f"1 item waits for the storage ({len(CSV)} bytes)")
