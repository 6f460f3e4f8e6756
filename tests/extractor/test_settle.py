from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from packages.common.errors import StorageAccessError, StorageUnavailableError
from packages.common.keys import ItemState
from packages.common.models.metadata_model import ItemError
from packages.common.queue import Queue
from services.extractor_service.items import PlannedItem, Verdict, VerdictKind
from services.extractor_service.outcomes import Circumstances
from services.extractor_service.settle import settle
from tests.extractor.site import Site, csv
from zarr_fuse.report import RejectedRow, UpdateReport

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def circumstances(max_attempts: int = 8) -> Circumstances:
    return Circumstances(NOW, max_attempts, "file:///store.zarr", "run-7")


def planned(site: Site, item_id: str, **facts: object) -> PlannedItem:
    item = site.queue.find(item_id)
    assert item is not None
    return PlannedItem(
        item_id=item_id, extension=item.extension, size_bytes=item.size_bytes, node="station", **facts
    )


def lease_held(item: PlannedItem) -> Verdict:
    return Verdict(item, VerdictKind.TRANSIENT, error=ItemError(kind="lease_held", message="held"))


def test_merged_item_moves_with_its_outcome(site: Site) -> None:
    item_id = site.accept("weather", csv(0), custom="kept")
    rejected = tuple(
        RejectedRow(row, "temperature", "x", "not_convertible", "no number") for row in range(250)
    )
    report = UpdateReport(300, 50, rejected, {"not_convertible": 250}, snapshot="00000004")
    done = settle(
        site.queue, [Verdict(planned(site, item_id), VerdictKind.MERGED, report=report)], circumstances()
    )
    assert done.processed == 1
    assert site.states() == {item_id: ["processed"]}
    stored = json.loads((site.folder / "queue" / "processed" / f"{item_id}.csv.meta.json").read_text())
    assert stored["custom"] == "kept"
    outcome = stored["outcome"]
    assert outcome["finished_at"] == "2026-11-20T12:00:00Z"
    assert len(outcome.pop("rejected_rows")) == 100
    assert outcome == {
        "state": "processed",
        "finished_at": "2026-11-20T12:00:00Z",
        "attempts": 1,
        "rows": 50,
        "store_url": "file:///store.zarr",
        "node": "station",
        "snapshot": "00000004",
        "dag_run_id": "run-7",
        "error": None,
        "rejected_counts": {"not_convertible": 250},
        "quarantined_rows": None,
    }


def test_permanent_failure_moves_to_failed_with_reason_row_and_value(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    error = ItemError(kind="update_refused", message="no", row=3, column="temperature", value="x")
    verdict = Verdict(planned(site, item_id), VerdictKind.PERMANENT, error=error)
    done = settle(site.queue, [verdict], circumstances())
    assert [(one.item_id, one.kind, one.transient) for one in done.failures] == [
        (item_id, "update_refused", False)
    ]
    assert site.states() == {item_id: ["failed"]}
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert outcome.error == error


def test_transient_trouble_waits_longer_each_time_and_gives_up_at_last(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    waits = []
    for attempt in range(1, 6):
        done = settle(site.queue, [lease_held(planned(site, item_id))], circumstances(max_attempts=6))
        assert (done.retried, done.failed) == (1, 0)
        metadata = site.metadata(item_id)
        assert metadata.attempts == attempt
        assert metadata.retry_at is not None
        waits.append(metadata.retry_at - NOW)
    hour = timedelta(hours=1)
    assert waits == [timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), hour, hour]
    done = settle(site.queue, [lease_held(planned(site, item_id))], circumstances(max_attempts=6))
    assert (done.retried, done.failed) == (0, 1)
    assert site.states() == {item_id: ["failed"]}
    assert site.error(item_id) == ("transient", "given up after 6 attempts; the last: held")
    assert site.metadata(item_id).retry_at is None
    assert [event.event for event in site.metadata(item_id).history] == ["retried"] * len(waits)


def test_duplicate_keeps_the_outcome_of_the_interrupted_move(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    item = planned(site, item_id)
    report = UpdateReport(3, 3, snapshot="00000004")
    settle(site.queue, [Verdict(item, VerdictKind.MERGED, report=report)], circumstances())
    moved = site.queue.find(item_id)
    assert moved is not None
    site.queue.accept(site.metadata(item_id).model_copy(update={"outcome": None}), csv(0).encode())
    done = settle(site.queue, [Verdict(item, VerdictKind.DUPLICATE)], circumstances())
    assert done.duplicates == 1
    assert site.states() == {item_id: ["processed"]}
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert (outcome.rows, outcome.snapshot) == (3, "00000004")


def test_duplicate_without_earlier_outcome_is_processed(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    settle(site.queue, [Verdict(planned(site, item_id), VerdictKind.DUPLICATE)], circumstances())
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert (outcome.state, outcome.rows, outcome.error) == ("processed", None, None)


def test_payload_without_metadata_gets_some_from_its_key(site: Site) -> None:
    item_id = site.accept("weather", csv(0), node="a/b")
    item = planned(site, item_id)
    (site.folder / "queue" / "accepted" / f"{item_id}.csv.meta.json").unlink()
    error = ItemError(kind="foreign", message="nobody accepted it")
    settle(site.queue, [Verdict(item, VerdictKind.PERMANENT, error=error)], circumstances())
    metadata = site.metadata(item_id)
    assert site.states() == {item_id: ["failed"]}
    assert (metadata.endpoint_name, metadata.node_path, metadata.content_type) == (
        "weather",
        "a/b",
        "text/csv",
    )
    assert metadata.received_at == datetime(2026, 11, 20, 8, tzinfo=UTC)


def test_item_that_vanished_is_gone_and_leaves_nothing(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    item = planned(site, item_id)
    metadata = site.metadata(item_id)
    site.queue.purge(item.queued)
    done = settle(site.queue, [Verdict(item, VerdictKind.DUPLICATE, metadata)], circumstances())
    assert (done.gone, done.duplicates) == (1, 0)
    assert [path for path in (site.folder / "queue").rglob("*") if path.is_file()] == []


def test_item_that_cannot_be_moved_stays_behind_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [site.accept("weather", csv(number)) for number in range(3)]
    copy = Queue._arrive

    def arrive(queue: Queue, move: object) -> bool:
        if move.item.item_id == ids[1]:
            raise StorageAccessError("denied")
        return copy(queue, move)

    monkeypatch.setattr(Queue, "_arrive", arrive)
    verdicts = [Verdict(planned(site, one), VerdictKind.MERGED) for one in ids]
    done = settle(site.queue, verdicts, circumstances())
    assert (done.processed, done.unsettled) == (2, 1)
    assert [(one.item_id, one.message, one.transient) for one in done.failures] == [(ids[1], "denied", True)]
    assert done.has_trouble
    assert [site.states()[one] for one in ids] == [["processed"], ["accepted"], ["processed"]]


def test_storage_that_is_away_is_not_asked_item_by_item(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [site.accept("weather", csv(number)) for number in range(3)]
    calls = []

    def fails(queue: Queue, moves: object) -> None:
        calls.append(moves)
        raise StorageUnavailableError("timeout")

    monkeypatch.setattr(Queue, "settle", fails)
    done = settle(
        site.queue, [Verdict(planned(site, one), VerdictKind.MERGED) for one in ids], circumstances()
    )
    assert (done.unsettled, len(calls)) == (3, 1)
    assert {one.message for one in done.failures} == {"timeout"}


def test_interrupted_move_to_failed_is_finished(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    error = ItemError(kind="payload", message="unreadable")
    item = planned(site, item_id)
    settle(site.queue, [Verdict(item, VerdictKind.PERMANENT, error=error)], circumstances())
    site.queue.accept(site.metadata(item_id).model_copy(update={"outcome": None}), csv(0).encode())
    half_moved = planned(site, item_id, left_as=ItemState.FAILED)
    done = settle(site.queue, [Verdict(half_moved, VerdictKind.PERMANENT)], circumstances())
    assert (done.resumed, done.failed) == (1, 0)
    assert site.states() == {item_id: ["failed"]}
    assert site.error(item_id) == ("payload", "unreadable")
