from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.ingress_service.web import health
from tests.ingress.live import Service


def test_health_touches_nothing(start: Callable[..., Service], tmp_path: Path) -> None:
    service = start()
    answer = service.client.get("/health", auth=None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert not list((tmp_path / "queue").rglob("*"))


def test_ready_names_each_check_and_leaves_nothing(start: Callable[..., Service], tmp_path: Path) -> None:
    service = start()
    answer = service.client.get("/health/ready")
    assert answer.status_code == 200, answer.text
    checks = {check["name"]: check for check in answer.json()["checks"]}
    assert set(checks) == {"storage", "scheduler", "oldest_accepted"}
    assert all(check["ok"] for check in checks.values())
    assert checks["oldest_accepted"]["detail"] == "nothing waits"
    assert not [path for path in (tmp_path / "queue").rglob("*") if path.is_file()]


def test_ready_tells_how_long_the_oldest_item_waits(start: Callable[..., Service]) -> None:
    service = start()
    service.post()
    checks = service.client.get("/health/ready").json()["checks"]
    assert "1 wait, the oldest for" in checks[2]["detail"]


def test_a_broken_storage_is_503_with_the_check_that_failed(
    start: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REMEMBERED_S", 0.0)
    service = start()
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


def test_metrics_count_requests_and_items(start: Callable[..., Service]) -> None:
    service = start()
    service.post()
    service.post("/api/v1/weather/nowhere")
    text = service.client.get("/metrics").text
    assert 'ingress_items_accepted_total{endpoint="weather"} 1.0' in text
    assert 'route="/api/v1/weather/{node_path:path}",status="404"' in text
    assert "ingress_uploads_in_flight 0.0" in text
    assert "nowhere" not in text
