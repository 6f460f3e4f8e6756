from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr
from structlog.testing import capture_logs

from packages.common.keys import ItemState
from services.extractor_service.sweep import sweep
from tests.extractor.site import Site, build_site, clean_environment, csv, readings

KILLS = int(os.environ.get("SWEEP_KILLS", "4"))
SEED = int(os.environ.get("SWEEP_KILL_SEED", "20261120"))

SWEEPER = """
import os, signal, sys, time
from packages.common.logging_setup import configure_logging
from packages.common.settings import load_settings
from services.extractor_service.sweep import sweep

configure_logging("CRITICAL")
print("ready", flush=True)
for line in sys.stdin:
    folder, delay_s = line.split()
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sweep(load_settings())
        os._exit(0)
    time.sleep(float(delay_s))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("killed", flush=True)
"""


class Killer:
    """A process that has everything imported; it forks sweeps and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SWEEPER],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._expect("ready")

    def sweep_and_kill(self, site: Site, delay_s: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{site.folder} {delay_s}\n")
        self._process.stdin.flush()
        self._expect("killed")

    def stop(self) -> None:
        self._process.communicate()

    def _expect(self, answer: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == answer


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    found = Killer()
    yield found
    found.stop()


def fill(site: Site) -> None:
    """Items of three nodes in two stores; some overwrite others, one is late and one is broken."""
    for number in (0, 1, 2, 3, 2, 5, 4, 6):
        site.accept("weather", csv(number, rows=40))
        site.accept("river", readings(number, rows=40))
    site.accept("logger", {"readings": readings(1)})
    site.accept("logger", {"no readings": 0})


def datasets(site: Site) -> dict[str, xr.Dataset]:
    places = [("weather.yaml", "station"), ("weather.yaml", "logger"), ("river.yaml", "gauge")]
    return {node: site.dataset(schema, node) for schema, node in places}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, xr.Dataset], float]:
    """What the stores hold after a sweep that nobody disturbs, and how many seconds it takes."""
    site = build_site(tmp_path_factory.mktemp("uninterrupted"), sweep_max_bytes=3000)
    fill(site)
    began = time.monotonic()
    with capture_logs():
        sweep(site.settings)
    return datasets(site), time.monotonic() - began


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_sweep_is_finished_by_the_next(
    tmp_path: Path, seed: int, killer: Killer, uninterrupted: tuple[dict[str, xr.Dataset], float]
) -> None:
    expected, duration_s = uninterrupted
    site = build_site(tmp_path)
    fill(site)
    settings = {**site.settings_environment, "SWEEP_MAX_BYTES": "3000"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    moment = random.Random(SEED + seed)
    for _ in range(2):
        killer.sweep_and_kill(site, moment.uniform(0, 1.2 * duration_s))
    while sweep(site.settings).has_trouble:
        time.sleep(0.1)
    states = site.states()
    assert len(states) == 18
    assert sorted(state for places in states.values() for state in places) == ["failed"] + ["processed"] * 17
    for node, dataset in datasets(site).items():
        xr.testing.assert_identical(dataset, expected[node])
    assert leavings(site) == []


def leavings(site: Site) -> list[str]:
    """Objects in `accepted`, and objects elsewhere that lack their payload or their metadata."""
    queue = site.folder / "queue"
    paths = [path for state in ItemState for path in (queue / state).rglob("*") if path.is_file()]
    files = {path.relative_to(queue).as_posix() for path in paths}
    payloads = {name for name in files if not name.endswith(".meta.json")}
    whole = payloads | {f"{name}.meta.json" for name in payloads}
    return sorted((files ^ whole) | {name for name in files if name.startswith("accepted/")})
