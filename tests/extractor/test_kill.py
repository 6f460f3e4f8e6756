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
    folder, count, delay_s = line.split()
    children = []
    for _ in range(int(count)):
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            sweep(load_settings())
            os._exit(0)
        children.append(child)
    if delay_s != "never":
        time.sleep(float(delay_s))
        os.kill(children[0], signal.SIGKILL)
    print(*[os.waitpid(child, 0)[1] for child in children], flush=True)
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
        assert self._answer() == "ready"

    def sweep(self, site: Site, count: int = 1, kill_after_s: float | None = None) -> list[int]:
        """Sweep in `count` processes at once, of which the first is killed; their exit states."""
        assert self._process.stdin is not None
        delay = "never" if kill_after_s is None else kill_after_s
        self._process.stdin.write(f"{site.folder} {count} {delay}\n")
        self._process.stdin.flush()
        return [int(state) for state in self._answer().split()]

    def stop(self) -> None:
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


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
    site = filled_site(tmp_path)
    moment = random.Random(SEED + seed)
    for count in (1, 2):
        killer.sweep(site, count, kill_after_s=moment.uniform(0, 1.2 * duration_s))
    sweep(site.settings)
    assert_whole(site, expected)


def test_sweeps_at_the_same_time_do_not_disturb_each_other(
    tmp_path: Path, killer: Killer, uninterrupted: tuple[dict[str, xr.Dataset], float]
) -> None:
    site = filled_site(tmp_path)
    assert killer.sweep(site, count=3) == [0, 0, 0]
    assert_whole(site, uninterrupted[0])


def filled_site(folder: Path) -> Site:
    """A site with items, whose settings lie in the `.env` of its folder."""
    site = build_site(folder)
    fill(site)
    settings = {**site.settings_environment, "SWEEP_MAX_BYTES": "3000"}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return site


def assert_whole(site: Site, expected: dict[str, xr.Dataset]) -> None:
    """Every item is in one place, and the stores hold what an undisturbed sweep brings to them."""
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
