"""What a sweep leaves when any one of its storage calls dies, loses its answer or is refused."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from packages.common.errors import StorageError
from packages.common.keys import METADATA_SUFFIX, ItemState
from packages.common.queue import Queue
from services.extractor_service.reprocess import Choice, requeue
from services.extractor_service.sweep import sweep
from tests.extractor.site import csv
from tests.faults.switch import FAULTS, DiedError
from tests.faults.world import S3World, World
from tests.hypothesis_profiles import examples
from tests.rigs.ceph_rgw import CephRgw

STRIDE = max(1, 100 // examples(25))
SHARES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
CEPH_STRIDE = 3 if STRIDE > 1 else 1  # a case takes ten seconds there
DEADLY = ("before", "after")
SHARED = ("2026-11-20T09:30:00", "valley")  # of this cell two items say something


def by_paths(*values: float) -> bytes:
    rows = [{"t": f"2026-11-20T08:0{row}:00Z", "p": "peak", "v": value} for row, value in enumerate(values)]
    return json.dumps({"rows": rows}).encode()


class Story:
    """Items of every kind, and what must have become of them in the end."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.world, self.accepted = world, dict[str, bytes]()
        self._add("weather", csv(1).encode())
        half_moved = self._add("weather", csv(2).encode())
        self.again = self._add("weather", csv(3).encode())
        with patch.context() as cut_short:
            leave = Queue._leave
            others = partial(filter, lambda move: move.item.item_id != half_moved)
            cut_short.setattr(Queue, "_leave", lambda queue, moves: leave(queue, [*others(moves)]))
            sweep(world.site.settings)
        requeue(world.site.settings, Choice(state=ItemState.PROCESSED, item_ids=[self.again]))
        self._add("weather", csv(9, rows=1).encode())
        self.broken = self._add("weather", b"time,place\n1,2\n1,2,3\n")
        self.unknown = self._add("weather", csv(7).encode(), schema_name="none.yaml")
        self.quarantined = self._add("paths", by_paths(1.0, 999.0, 3.0), content_type="application/json")

    def _add(self, endpoint: str, payload: bytes, **facts: object) -> str:
        target = {"schema_name": "weather.yaml", "target_node": "station", "content_type": "text/csv"}
        if endpoint == "paths":
            target["target_node"] = "logger"
        facts = {**target, "sha256": hashlib.sha256(payload).hexdigest(), **facts}
        item_id = self.world.site.accept(endpoint, payload, **facts)
        self.accepted[item_id] = payload
        return item_id

    def assert_ended(self, *, in_key_order: bool) -> None:
        """Conservation, integrity and liveness."""
        site, failed = self.world.site, {self.broken, self.unknown}
        expected = {item_id: ["failed" if item_id in failed else "processed"] for item_id in self.accepted}
        assert site.states() == expected
        for item_id, payload in self.accepted.items():
            assert site.queue.payload(site.queue.find(item_id)) == payload
            assert site.metadata(item_id).outcome is not None
        assert site.metadata(self.again).generation == 2
        payloads = {site.queue.find(item_id).payload_key for item_id in self.accepted}
        rejected_key = site.queue.find(self.quarantined).rejected_key
        expected_keys = payloads | {key + METADATA_SUFFIX for key in payloads} | {rejected_key}
        assert b"999.0" in site.queue.storage.get(rejected_key)
        assert self.world.objects() == expected_keys
        values = self.world.values("station")
        shared = values.pop(SHARED)
        assert sorted(values.values()) == [1.0, 1.1, 1.2, 2.0, 2.1, 2.2, 3.1, 3.2]
        assert shared == 9.0 or (shared == 3.0 and not in_key_order)
        assert self.world.values("logger") == {
            ("2026-11-20T08:00:00", "peak"): 1.0,
            ("2026-11-20T08:02:00", "peak"): 3.0,
        }


def swept(world: World) -> int:
    """How much was left for later."""
    report = sweep(world.site.settings)
    return report.retried + report.unsettled + len(report.trouble)


def interrupted(world: World, patch: pytest.MonkeyPatch, call: int, fault: str) -> None:
    """Tell the story with one call of the sweep that fails; the next sweep has to put everything right."""
    story, left = Story(world, patch), 1
    world.restart()
    world.switch.plan(call, fault)
    with suppress(DiedError, StorageError):
        left = swept(world)
    world.restart()
    assert swept(world) == 0, call
    story.assert_ended(in_key_order=not left or fault in DEADLY)


def calls_of(world: World, patch: pytest.MonkeyPatch) -> int:
    """How many calls a sweep makes that nobody disturbs."""
    story = Story(world, patch)
    world.restart()
    assert swept(world) == 0
    count = world.switch.calls
    story.assert_ended(in_key_order=True)
    return count


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    with pytest.MonkeyPatch.context() as patch, capture_logs():
        return calls_of(World(patch, tmp_path_factory.mktemp("calm")), patch)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_interrupted_sweep_is_finished_by_the_next(
    fault: str, calls: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Usually each call fails in one of the four ways; thoroughly, in all of them."""
    assert calls > 100
    for call in range(1 + FAULTS.index(fault) % STRIDE, calls + 1, STRIDE):
        with monkeypatch.context() as patch, capture_logs():
            interrupted(World(patch, tmp_path), patch, call, fault)


@pytest.mark.parametrize(
    ("fault", "share"), [("before", 0.4), ("after", 0.6), ("lost", 0.8), ("refused", 0.95)]
)
def test_the_same_holds_on_s3(
    fault: str, share: float, calls: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moto_endpoint: str
) -> None:
    interrupted(S3World(monkeypatch, tmp_path, moto_endpoint), monkeypatch, int(share * calls), fault)


@pytest.mark.rgw
@pytest.mark.parametrize(
    ("fault", "share"),
    [pair for number, pair in enumerate(product(FAULTS, SHARES)) if number % CEPH_STRIDE == 0],
)
def test_the_same_holds_on_ceph(
    fault: str, share: float, calls: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rgw: CephRgw
) -> None:
    interrupted(S3World(monkeypatch, tmp_path, rgw.endpoint), monkeypatch, int(share * calls), fault)
