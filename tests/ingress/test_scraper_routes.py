from __future__ import annotations

import json
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
    assert listed["good"]["firings"][0]["counts"] == {"accepted": 1}
    assert listed["good"]["firings"][0]["triggered_by"] == "manual"
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


def test_what_was_missed_is_shown_and_back_filled(scraping: Service) -> None:
    missed = [{"fired_at": f"202{year}-01-01T00:00:00Z", "reason": "late"} for year in (4, 5, 6)]
    record = {"schedule": "0 0 1 1 *", "settled_until": "2026-06-01T00:00:00Z", "missed": missed}
    scraping.queue.storage.put("scrappers/good.json", json.dumps(record).encode())
    listed = {found["name"]: found for found in scraping.client.get("/api/v1/scrappers").json()["scrappers"]}
    assert listed["good"]["missed"] == missed
    answer = scraping.client.post("/api/v1/scrappers/good/backfill", params={"limit": 1}).json()
    assert (answer["windows"], answer["remaining"]) == (["2024-01-01T00:00:00Z"], 2)
    assert answer["runs"][0]["item_id"].startswith("good/20240101T000000_")
    assert answer["runs"][0]["state"] == "accepted"
    by_time = {"since": "2023-01-01", "until": "2024-12-31"}
    answer = scraping.client.post("/api/v1/scrappers/good/backfill", params=by_time).json()
    assert answer["windows"] == ["2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z"]
    assert [run["state"] for run in answer["runs"]] == ["unchanged", "duplicate"]
    assert scraping.client.post("/api/v1/scrappers/good/backfill", auth=CAROL).status_code == 403


def test_the_last_result_of_every_request_is_in_the_metrics(scraping: Service) -> None:
    for name in ("good", "bad"):
        scraping.client.post(f"/api/v1/scrappers/{name}/run")
    text = scraping.client.get("/metrics").text
    assert 'ingress_scraper_last_requests{scraper="good",state="accepted"} 1.0' in text
    assert 'ingress_scraper_last_requests{scraper="bad",state="failed"} 1.0' in text
    assert 'ingress_scraper_missed_windows{scraper="bad"} 0.0' in text
    (line,) = [
        line for line in text.splitlines() if line.startswith("ingress_scraper_request_ok") and "/bad" in line
    ]
    assert 'kind="columns_missing"' in line
    assert line.endswith(" 0.0")
    assert 'ingress_scraper_last_success_timestamp_seconds{scraper="good"}' in text
    assert 'ingress_scraper_last_success_timestamp_seconds{scraper="bad"}' not in text


def test_the_records_of_scrapers_are_no_items(scraping: Service) -> None:
    scraping.client.post("/api/v1/scrappers/bad/run")
    assert scraping.queue.storage.head("scrappers/bad.json") is not None
    assert scraping.client.get("/api/v1/items", auth=("root", "toor")).json()["items"] == []
    assert scraping.client.get("/health/ready").status_code == 200
