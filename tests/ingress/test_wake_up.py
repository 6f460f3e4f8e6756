from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from packages.common import airflow_api
from services.ingress_service import wake_up as module
from services.ingress_service.wake_up import WakeUp
from services.ingress_service.web.limits import Gate
from services.ingress_service.web.signals.metrics import Metrics
from tests.rigs.waiting import PATIENCE_S, wait_until

from .fake_airflow import PASSWORD, FakeAirflow, running_airflow
from .live import ROOT, write_inputs
from .scrapper_site import running_site

SCRAPER = """
active_scrappers:
  - {{name: sun, url: "{url}/data.csv", cron: "0 0 1 1 *", schema_name: sun.yaml, target_node: sun,
     allow_private_hosts: [127.0.0.1]}}
"""
SCHEMA = "sun: {VARS: {value: {unit: m, coords: [time]}}, COORDS: {time: {unit: {tick: s}}}}"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "MIN_INTERVAL_S", 0.2)


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with running_airflow() as fake:
        yield fake


def waking(airflow: FakeAirflow) -> dict[str, object]:
    """Settings of a service that wakes this Airflow."""
    return {
        "airflow_url": airflow.url,
        "airflow_username": "ingress",
        "airflow_password": SecretStr(PASSWORD),
    }


def delivered(metrics: Metrics) -> tuple[float, float]:
    """Events that were delivered, and that were not."""
    values = [
        metrics.registry.get_sample_value("ingress_wake_ups_total", {"delivered": one})
        for one in ("yes", "no")
    ]
    return values[0] or 0, values[1] or 0


def test_an_upload_wakes_airflow_at_once(airflow, start):
    assert start(**waking(airflow)).post().status_code == 202
    assert airflow.posted.acquire(timeout=PATIENCE_S)


def test_uploads_in_a_burst_share_events_and_the_last_one_has_an_event_after_it(airflow, start):
    service, told_at = start(**waking(airflow)), []
    tell = service.app.state.on_accepted

    def note(item_id):
        told_at.append(time.monotonic())
        return tell(item_id)

    service.app.state.on_accepted = note
    began = time.monotonic()
    for _ in range(20):
        assert service.post().status_code == 202
    wait_until(lambda: len(told_at) == 20 and airflow.told_at and airflow.told_at[-1] >= told_at[-1])
    time.sleep(2 * module.MIN_INTERVAL_S)
    assert len(airflow.events) <= (time.monotonic() - began) / module.MIN_INTERVAL_S + 1


def test_an_airflow_that_hangs_delays_no_upload(airflow, start, monkeypatch):
    monkeypatch.setattr(airflow_api, "TIMEOUT_S", 2 * PATIENCE_S)
    airflow.gate.clear()
    service = start(**waking(airflow))
    for _ in range(3):
        assert service.post().status_code == 202
    assert not airflow.gate_timed_out
    airflow.gate.set()


def test_trouble_is_logged_once_counted_each_time_and_made_good_afterwards(airflow, start, caplog):
    airflow.broken_with = 503
    service = start(**waking(airflow))
    with caplog.at_level("INFO", logger="ingress.wake_up"):
        assert service.post().status_code == 202
        metrics = service.app.state.ingress.metrics
        wait_until(lambda: delivered(metrics)[1] >= 3)
        airflow.broken_with = None
        assert airflow.posted.acquire(timeout=PATIENCE_S)
        wait_until(lambda: delivered(metrics)[0] == 1)
    said = [record.getMessage() for record in caplog.records if record.name == "ingress.wake_up"]
    assert len(said) == 2
    assert "answered 503" in said[0]
    assert "again" in said[1]


def test_a_scrape_wakes_airflow_as_an_upload_does(airflow, start, tmp_path):
    with running_site() as site:
        configuration = write_inputs(tmp_path / "scraping")
        (configuration.parent / "schemas" / "sun.yaml").write_text(SCHEMA)
        configuration.write_text(configuration.read_text() + SCRAPER.format(url=site.url))
        service = start(config_path=configuration, **waking(airflow))
        answer = service.client.post("/api/v1/scrappers/sun/run", auth=ROOT)
    assert [run["state"] for run in answer.json()["runs"]] == ["accepted"], answer.text
    assert airflow.posted.acquire(timeout=PATIENCE_S)


def test_service_without_an_airflow_account_takes_uploads_as_before(start):
    service = start(airflow_url="http://127.0.0.1:9")
    assert service.app.state.on_accepted is None
    assert service.post().status_code == 202


def test_stopping_twice_or_before_the_start_is_harmless(airflow):
    class Silent:
        closed = threading.Event()

        def post(self) -> None:
            """Deliver nothing."""

        def close(self) -> None:
            self.closed.set()

    never = WakeUp(Silent(), Metrics(Gate(1)))
    never.stop()
    started = WakeUp(Silent(), Metrics(Gate(1)))
    started.start()
    started.stop()
    started.stop()
    assert Silent.closed.wait(PATIENCE_S)
