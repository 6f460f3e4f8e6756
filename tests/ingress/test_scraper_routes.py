from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.ingress.live import ALICE, CAROL, CONFIGURATION, CSV, Service, write_inputs


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = CSV if self.path == "/good" else b"temperature\n1\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def source() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def scraping(start: Callable[..., Service], source: str, tmp_path: Path) -> Service:
    path = write_inputs(tmp_path / "scraping")
    common = "schema_name: tree.yaml, target_node: station, allow_private_hosts: [127.0.0.1], cron: 0 0 1 1 *"
    scrapers = [f"  - {{name: {name}, url: '{source}/{name}', {common}}}" for name in ("good", "bad")]
    path.write_text("\n".join([CONFIGURATION, "active_scrappers:", *scrapers, ""]))
    return start(config_path=path)


def test_a_run_now_stores_what_it_fetched_and_is_remembered(scraping: Service) -> None:
    answer = scraping.client.post("/api/v1/scrappers/good/run")
    assert answer.status_code == 200, answer.text
    (run,) = answer.json()["runs"]
    assert run["state"] == "accepted"
    item = scraping.client.get(f"/api/v1/items/{run['item_id']}").json()
    assert (item["state"], item["endpoint"], item["user"]) == ("accepted", "good", "scrapper-good")
    listed = {found["name"]: found for found in scraping.client.get("/api/v1/scrappers").json()["scrappers"]}
    assert listed["good"]["last_runs"] == [run]
    assert listed["good"]["next_run_at"]
    assert listed["bad"]["last_runs"] == []


def test_a_fetch_is_checked_as_an_upload_is(scraping: Service) -> None:
    (run,) = scraping.client.post("/api/v1/scrappers/bad/run").json()["runs"]
    assert (run["state"], run["kind"]) == ("failed", "columns_missing")
    assert "'time', 'name'" in run["reason"]
    assert not scraping.stored_keys()


def test_scrapers_are_for_those_who_may_see_their_items(scraping: Service) -> None:
    assert scraping.client.get("/api/v1/scrappers", auth=CAROL).json() == {"scrappers": []}
    assert scraping.client.post("/api/v1/scrappers/good/run", auth=CAROL).status_code == 403
    assert scraping.client.post("/api/v1/scrappers/none/run", auth=("root", "toor")).status_code == 404
    assert scraping.client.post("/api/v1/scrappers/none/run", auth=ALICE).status_code == 403
