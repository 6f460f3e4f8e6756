from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oci.clean_logs import clean, main, size_of

DAY_S, BLOCKS = 86400, 64 * 1024


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A log for each of the last ten days, the first of today."""
    for days in range(10):
        path = tmp_path / f"run={days}" / "task=merge" / "attempt=1.log"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * BLOCKS)
        for each in (path, path.parent, path.parent.parent):
            os.utime(each, (time.time() - days * DAY_S - 60,) * 2)
    return tmp_path


def left(logs: Path) -> list[int]:
    return sorted(int(path.parent.parent.name.removeprefix("run=")) for path in logs.rglob("*.log"))


def test_old_logs_go_and_their_empty_folders_after_a_day(logs: Path) -> None:
    assert main([str(logs), "--days", "5"]) == 0
    assert left(logs) == [0, 1, 2, 3, 4]
    for path in logs.rglob("*"):
        if path.is_dir() and not any(path.iterdir()):
            os.utime(path, (time.time() - 2 * DAY_S,) * 2)
    for _ in range(2):
        clean(logs, 0, float("inf"))
        for path in logs.iterdir():
            if not any(path.iterdir()):
                os.utime(path, (time.time() - 2 * DAY_S,) * 2)
    assert sorted(path.name for path in logs.iterdir()) == [f"run={days}" for days in range(5)]


def test_the_oldest_logs_go_where_all_do_not_fit(logs: Path) -> None:
    clean(logs, 0, 4 * BLOCKS)
    assert left(logs) == [0, 1, 2, 3]


def test_what_fits_and_is_young_stays(logs: Path) -> None:
    clean(logs, 0, 10 * BLOCKS)
    assert left(logs) == list(range(10))


def test_a_fresh_folder_stays_though_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "run=now").mkdir()
    clean(tmp_path, 0, float("inf"))
    assert (tmp_path / "run=now").is_dir()


@pytest.mark.parametrize(
    ("text", "size"), [("2Gi", 2 * 2**30), ("500Mi", 500 * 2**20), ("1.5G", 1.5e9), ("7", 7)]
)
def test_sizes_are_read_as_kubernetes_writes_them(text: str, size: float) -> None:
    assert size_of(text) == size


def test_runs_as_old_are_forgotten(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = tmp_path / "bin" / "airflow"
    airflow.parent.mkdir()
    airflow.write_text('#!/bin/sh\necho "$@" >"$0.asked"\nexit 1\n')
    airflow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{airflow.parent}{os.pathsep}{os.environ['PATH']}")
    assert main([str(logs), "--days", "5", "--runs"]) == 0
    *asked, before = (tmp_path / "bin" / "airflow.asked").read_text().split()
    assert asked == ["db", "clean", "--yes", "--skip-archive", "--clean-before-timestamp"]
    assert abs(datetime.now(UTC) - timedelta(days=5) - datetime.fromisoformat(before)) < timedelta(minutes=5)


def test_a_wrong_size_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--days", "1", "--size", "much"])
    assert "much is no size" in capsys.readouterr().err
