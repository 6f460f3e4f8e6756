from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .live import CONFIGURATION, ROOT, Service, running, settings_for

ABOVE = "  - {name: above, endpoint: /api/v1, schema_name: tree.yaml, target_node: station}\n"


def test_an_endpoint_above_the_paths_of_the_service_does_not_hide_them(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.config_path.write_text(CONFIGURATION + ABOVE)
    with running(settings) as service:
        item_id = service.post("/api/v1/weather").json()["item_id"]
        assert item_id.startswith("weather/")
        assert service.post("/api/v1").json()["item_id"].startswith("above/")
        requeued = service.client.post(f"/api/v1/items/{item_id}/requeue", auth=ROOT)
        assert requeued.json()["code"] != "node_unknown"
        assert service.client.get(f"/api/v1/items/{item_id}").json()["state"] == "accepted"
        assert service.client.delete(f"/api/v1/items/{item_id}", auth=ROOT).status_code == 204


def test_a_path_of_the_service_stays_its_own(start: Callable[..., Service]) -> None:
    service = start()
    assert service.client.get("/api/v1/weather").status_code == 405
    assert service.post("/api/v1/items").status_code == 405
