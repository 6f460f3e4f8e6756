"""The storage stops in the middle of uploads: what got its 202 is there, and nothing is half there."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from packages.common.keys import METADATA_SUFFIX
from tests.ingress.live import ALICE, CSV, CSV_TYPE, Service, running, settings_for
from tests.ingress.storage_gate import gate_before
from tests.rigs.ceph_rgw import CephRgw
from tests.rigs.s3 import new_bucket
from tests.rigs.waiting import PATIENCE_S, wait_until

S3_TIMEOUT_S = 5.0
BOUND_S = 60.0
"""Two requests in their time, and room for a slow machine."""
TROUBLE_S = 4.0
ROW = b"2026-10-01T02:00:00Z,west,5.1,%d\n"
LARGE = CSV + b"".join(ROW % (number % 100) for number in range(200_000))
"""More than is held in memory: it goes up in parts."""
Trouble = Callable[[], None]


@dataclass
class Answers:
    """What the clients of one run were told: item ids with the digest of what was sent, and refusals."""

    accepted: dict[str, str] = field(default_factory=dict)
    refused: list[httpx.Response] = field(default_factory=list)
    slowest_s: float = 0.0
    lost: list[Exception] = field(default_factory=list)


class Clients:
    """Threads that upload without pause, small bodies and large ones."""

    def __init__(self, service: Service) -> None:
        self.answers = Answers()
        self._url = f"http://127.0.0.1:{service.port}/api/v1/weather"
        self._stop = threading.Event()
        payloads = [CSV] * 6 + [LARGE] * 2
        self._threads = [threading.Thread(target=self._run, args=(data,), daemon=True) for data in payloads]

    def __enter__(self) -> Answers:
        for thread in self._threads:
            thread.start()
        return self.answers

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(3 * BOUND_S)

    def _run(self, payload: bytes) -> None:
        with httpx.Client(auth=ALICE, timeout=3 * BOUND_S, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    self._upload(client, payload)
                except httpx.HTTPError as error:
                    self.answers.lost.append(error)

    def _upload(self, client: httpx.Client, payload: bytes) -> None:
        started = time.monotonic()
        answer = client.post(self._url, content=payload, headers=CSV_TYPE)
        self.answers.slowest_s = max(self.answers.slowest_s, time.monotonic() - started)
        if answer.status_code == 202:
            self.answers.accepted[answer.json()["item_id"]] = hashlib.sha256(payload).hexdigest()
        else:
            self.answers.refused.append(answer)
            self._stop.wait(0.2)


def run_through(service: Service, begin: Trouble, end: Trouble) -> Answers:
    """Upload before, during and after the trouble."""
    with Clients(service) as answers:
        wait_until(lambda: len(answers.accepted) > 5, "the first uploads", 2 * PATIENCE_S)
        begin()
        try:
            time.sleep(TROUBLE_S)
            wait_until(lambda: answers.refused, "a refusal", 2 * PATIENCE_S)
        finally:
            end()
        during = len(answers.accepted)
        wait_until(lambda: len(answers.accepted) > during + 5, "later uploads", 2 * PATIENCE_S)
    return answers


def check(service: Service, answers: Answers) -> None:
    """Assert what must be true after any trouble."""
    assert not answers.lost
    assert answers.slowest_s < BOUND_S
    for answer in answers.refused:
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) > 0
    for item_id, digest in answers.accepted.items():
        item = service.queue.find(item_id)
        assert item is not None, f"{item_id} was accepted and is gone"
        assert hashlib.sha256(service.queue.payload(item)).hexdigest() == digest
        metadata = service.queue.metadata(item)
        assert metadata is not None
        assert metadata.sha256 == digest
    service.queue.storage.delete(list(service.queue.aborted(timedelta(0))))
    keys = service.stored_keys()
    payloads = {key for key in keys if not key.endswith(METADATA_SUFFIX)}
    assert keys == payloads | {f"{key}{METADATA_SUFFIX}" for key in payloads}
    assert service.client.get("/health").status_code == 200
    assert service.client.get("/health/ready").json()["status"] == "ready"


@contextmanager
def serving(folder: Path, endpoint: str, direct: str) -> Iterator[Service]:
    """A service whose storage is `endpoint`, with a new bucket made through `direct`."""
    bucket = replace(new_bucket(direct), endpoint=endpoint)
    options = {"s3_store_url": bucket.url("store.zarr"), "s3_timeout_s": S3_TIMEOUT_S, **bucket.access}
    with running(settings_for(folder, **options, max_upload_bytes=64 << 20)) as service:
        yield service


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["held", "cut"])
def test_nothing_is_lost_while_the_storage_is_away(tmp_path: Path, moto_endpoint: str, kind: str) -> None:
    with gate_before(moto_endpoint) as gate, serving(tmp_path, gate.endpoint, moto_endpoint) as service:
        answers = run_through(service, gate.hold if kind == "held" else gate.cut, gate.restore)
        check(service, answers)


@pytest.mark.rgw
@pytest.mark.timeout(400)
@pytest.mark.parametrize("daemon", ["ceph-osd", "radosgw"])
def test_nothing_is_lost_while_a_part_of_ceph_stands_still(tmp_path: Path, rgw: CephRgw, daemon: str) -> None:
    process = rgw._daemons[daemon]
    with serving(tmp_path, rgw.endpoint, rgw.endpoint) as service:
        answers = run_through(
            service,
            lambda: os.kill(process.pid, signal.SIGSTOP),
            lambda: os.kill(process.pid, signal.SIGCONT),
        )
        check(service, answers)


@pytest.mark.rgw
@pytest.mark.timeout(400)
def test_nothing_is_lost_while_the_gateway_is_stopped_and_started_again(tmp_path: Path, rgw: CephRgw) -> None:
    with serving(tmp_path, rgw.endpoint, rgw.endpoint) as service:
        check(service, run_through(service, rgw.stop_gateway, rgw.start_gateway))
