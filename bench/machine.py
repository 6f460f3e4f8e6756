"""Facts about the machine and the libraries that a measurement depends on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("zarr", "xarray", "numpy", "polars", "obstore")


def facts(folder: Path) -> dict[str, str]:
    """Facts by name; `folder` is where the measured stores lie."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{os.cpu_count()} × {_processor()}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "storage": f"{_file_system(folder)}, writes and flushes 64 KiB in {_flush_s(folder) * 1e3:.1f} ms",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(folder: Path) -> str:
    mounts = Path("/proc/mounts")
    rows = (
        [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()] if mounts.exists() else []
    )
    below = [row for row in rows if folder.resolve().is_relative_to(row[1])]
    return max(below, key=lambda row: len(row[1]))[2] if below else "unknown file system"


def _flush_s(folder: Path) -> float:
    seconds = []
    for number in range(15):
        path = folder / f"flush-{number}"
        started = time.perf_counter()
        with path.open("wb") as file:
            file.write(os.urandom(65_536))
            file.flush()
            os.fsync(file.fileno())
        seconds.append(time.perf_counter() - started)
        path.unlink()
    return statistics.median(seconds)
