"""Scrapers in the real process: taken up after a stop, and heard of by mail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from packages.common.keys import ItemState
from services.ingress_service.scrapper.history import ScraperRecord
from tests.ingress.scrapper_rig import Rig, rig_at
from tests.ingress.scrapper_site import CSV, Site
from tests.rigs.project import ROOT
from tests.rigs.smtp import Inbox
from tests.rigs.waiting import PATIENCE_S, wait_until


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def serve() -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("S3_", "AWS_"))}
        own = {
            "AUTH_ENABLED": "false",
            "CONFIG_PATH": str(tmp_path / "inputs" / "configuration.yaml"),
            "PORT": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")]),
            "S3_STORE_URL": (tmp_path / "store.zarr").as_uri(),
        }
        command = [sys.executable, "-m", "services.ingress_service.main"]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=tmp_path, env=kept | own, stdout=log, stderr=log)
        started.append(process)
        return process

    yield serve
    for process in started:
        process.kill()
        process.wait()


def configure(rig: Rig, site: Site, port: int, due_at: datetime) -> None:
    """A scraper of three rows that was due a while ago, and whom to tell."""
    smtp = f"{{host: 127.0.0.1, port: {port}, security: none, notify_to: [a@x.org], from_email: b@x.org}}"
    rig.write("rows.csv", "path\nslow\ngood\nbad\n")
    rows = "{name: row, source: dataframe, dataframe_path: rows.csv, outputs: {path: path}}"
    cron = f"{due_at.minute} {due_at.hour} * * *"
    rig.configure(
        f"  - {{name: sun, cron: '{cron}', grace_s: 3600, schema_name: sun.yaml, target_node: sun,"
        f" allow_private_hosts: [127.0.0.1], request: {{url: '{site.url}/{{path}}'}}, iterate: [{rows}]}}\n"
        f"configuration: {{smtp: {smtp}}}\n"
    )
    record = ScraperRecord(schedule=cron, settled_until=due_at - timedelta(minutes=1))
    rig.queue.storage.put("scrappers/sun.json", record.model_dump_json().encode())


@pytest.mark.timeout(300)
def test_a_stop_finishes_the_request_under_way_and_a_start_the_firing(
    tmp_path: Path, site: Site, inbox: Inbox, serve: Callable[[], subprocess.Popen[bytes]]
) -> None:
    asked, release = threading.Event(), threading.Event()

    def slow(handler) -> None:
        asked.set()
        release.wait(PATIENCE_S)
        handler.send(200, {"Content-Type": "text/csv"}, CSV)

    site.replies |= {"/slow": slow, "/good": (200, {"Content-Type": "text/csv"}, CSV)}
    rig = rig_at(tmp_path)
    due_at = (datetime.now(UTC) - timedelta(minutes=5)).replace(second=0, microsecond=0)
    configure(rig, site, inbox.port, due_at)
    process = serve()
    assert asked.wait(PATIENCE_S)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Waiting for application shutdown" in (tmp_path / "log").read_text(), "the stop")
    time.sleep(0.5)
    assert process.poll() is None
    release.set()
    assert process.wait(PATIENCE_S) == 0
    assert [path for path, _ in site.requests] == ["/slow"]
    assert len(rig.items()) == 1
    assert inbox.mails == []

    again = serve()
    wait_until(lambda: bool(inbox.mails))
    again.send_signal(signal.SIGTERM)
    assert again.wait(PATIENCE_S) == 0
    assert [path for path, _ in site.requests] == ["/slow", "/good", "/bad"]
    times = {item.item_id.partition("_")[0] for item in rig.queue.items(ItemState.ACCEPTED)}
    assert times == {f"sun/{due_at:%Y%m%dT%H%M%S}"}
    assert inbox.subjects == ["Scraper sun: 1 of 3 requests failed"]
    record = json.loads(rig.queue.storage.get("scrappers/sun.json"))
    assert [firing["complete"] for firing in record["firings"]] == [False, True]
    assert record["missed"] == []
