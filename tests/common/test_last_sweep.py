from __future__ import annotations

from datetime import UTC, datetime

from structlog.testing import capture_logs

from packages.common.last_sweep import KEY, LastSweep, last_sweep, note_sweep
from packages.common.s3io import ObjectStorage
from tests.common.faulty_storage import memory_storage

SWEEP = LastSweep(ended_at=datetime(2026, 11, 20, 8, tzinfo=UTC), items={"processed": 3}, dag_run_id="run")


def test_what_a_sweep_noted_is_read_again(storage: ObjectStorage) -> None:
    assert last_sweep(storage) is None
    note_sweep(storage, SWEEP)
    assert last_sweep(storage) == SWEEP


def test_a_damaged_note_is_none(storage: ObjectStorage) -> None:
    storage.put(KEY, b"{")
    assert last_sweep(storage) is None


def test_a_note_that_cannot_be_written_is_only_logged() -> None:
    storage = memory_storage()
    storage.reset(fail_at=0)
    with capture_logs() as lines:
        note_sweep(storage, SWEEP)
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("the end of the sweep is not noted", "warning")
    ]
