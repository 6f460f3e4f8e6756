"""Keeps the logs of tasks within an age and a size: `clean_logs.py FOLDER --days N [--size 2Gi] [--every S]`.

Runs until it is stopped, or once without `--every`. What is older than `--days` goes; where the rest is above
four fifths of `--size`, the oldest files go as well, since a volume that overflows takes its pod with it.
With `--runs`, Airflow forgets the runs of that age, too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

DAY_S = 86400
FULL = 0.8
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def main(arguments: list[str]) -> int:
    """0 cleaned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=float, required=True)
    parser.add_argument("--size", type=size_of, default=float("inf"))
    parser.add_argument("--runs", action="store_true", help="let Airflow forget runs as old")
    parser.add_argument("--after", type=float, default=0, help="seconds before the first round")
    parser.add_argument("--every", type=float, help="seconds between two rounds")
    asked = parser.parse_args(arguments)
    time.sleep(asked.after)
    while True:
        oldest = time.time() - asked.days * DAY_S
        clean(asked.folder, oldest, FULL * asked.size)
        if asked.runs:
            forget_runs(oldest)
        if asked.every is None:
            return 0
        time.sleep(asked.every)


def forget_runs(oldest: float) -> None:
    """Remove what the database says of runs before a time; where that fails, the next round tries anew."""
    before = datetime.fromtimestamp(oldest, UTC).isoformat(timespec="seconds")
    command = ("airflow", "db", "clean", "--yes", "--skip-archive", "--clean-before-timestamp", before)
    subprocess.run(command, check=False)  # noqa: S603 - found on the image's path


def size_of(text: str) -> float:
    """Bytes of a quantity as Kubernetes writes it."""
    found = re.fullmatch(r"([0-9.]+)([kMGT]?i?)", text)
    if found is None or found[2] not in UNITS:
        raise argparse.ArgumentTypeError(f"{text} is no size such as 500Mi or 2Gi")
    return float(found[1]) * UNITS[found[2]]


def clean(folder: Path, oldest: float, size: float) -> None:
    """Remove files last written before a time, and the oldest until the rest fits; then what is empty."""
    files = sorted(sizes(folder))
    excess = sum(used for _, used, _ in files) - size
    for written_at, used, path in files:
        if written_at >= oldest and excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= used
    remove_empty(folder)


def sizes(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file was written last, and how much of the disk it takes, in bytes."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                found = path.stat()
                yield found.st_mtime, found.st_blocks * 512, path


def remove_empty(folder: Path) -> None:
    """Remove folders that are empty for a day; a run may be about to use a fresh one."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink() and path.stat().st_mtime < time.time() - DAY_S:
                path.rmdir()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
