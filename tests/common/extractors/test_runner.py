from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import xarray as xr

from packages.common.errors import PayloadError
from packages.common.extractors.errors import (
    ExtractorExitError,
    ExtractorMemoryError,
    ExtractorMissingError,
    ExtractorRaisedError,
    ExtractorResultError,
    ExtractorTimeoutError,
)
from packages.common.extractors.runner import ExtractorRunner, Limits, run_extractor
from packages.common.processes import descendants
from tests.rigs.project import ROOT
from tests.rigs.waiting import PATIENCE_S, wait_until

PATIENT = Limits(timeout_s=PATIENCE_S, memory_bytes=2**29)
SHORT = Limits(timeout_s=2.0, memory_bytes=2**29)

MODULE = """
import os, signal, sys, time
import polars as pl


def size(payload, metadata):
    return pl.DataFrame({"size": [len(payload)], "by": [metadata.get("username")], "process": [os.getpid()]})

def parsed(parsed_json, dataframe_row):
    return pl.DataFrame([{**parsed_json, **dataframe_row}])

def pandas(payload, metadata):
    import pandas as pd
    return pd.DataFrame({"mixed": ["a", 1.5, None], "time": pd.date_range("2026", periods=3, tz="UTC")})

def dataset(payload, metadata):
    import xarray as xr
    return xr.Dataset({"t": ("place", [1.0, 2.0])}, {"place": ["a", "b"]}, {"title": "x"})

def own_class(payload, metadata):
    import xarray as xr
    return xr.Dataset(attrs={"own": Own()})

class Own: pass

def lazy(payload, metadata):
    return pl.DataFrame({"a": [1]}).lazy()

def raises(payload, metadata):
    return metadata["no such key"]

def leaves(payload, metadata):
    sys.exit(4)

def ends(payload, metadata):
    print("last words")
    os._exit(4)

def hangs(payload, metadata):
    print("still here")
    time.sleep(600)

def ignores_signals(payload, metadata):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)

def stops(payload, metadata):
    os.kill(os.getpid(), signal.SIGSTOP)

def kills_parent(payload, metadata):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)

def kills_group(payload, metadata):
    os.killpg(0, signal.SIGTERM)
    time.sleep(600)

def grows(payload, metadata):
    held = []
    while True:
        held.append(bytearray(2**24))

def grows_outside_python(payload, metadata):
    return pl.select(pl.int_range(0, 10**10))

def prints(payload, metadata):
    for _ in range(20000):
        print("noise " * 10)
        print("noise " * 10, file=sys.stderr)
    return size(payload, metadata)

def writes_to_its_pipes(payload, metadata):
    os.write(1, b"noise")
    sys.stdin.read()
    return size(payload, metadata)

def forks(payload, metadata):
    os.fork()
    return size(payload, metadata)

def leaves_a_daemon(payload, metadata):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    return size(payload, metadata)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("configuration")
    (found / "devices.py").write_text(MODULE)
    return found


@pytest.fixture(scope="module")
def runner(folder: Path):
    with ExtractorRunner(folder) as found:
        yield found


def call(runner: ExtractorRunner, name: str, limits: Limits = PATIENT, payload: bytes = b"12345") -> object:
    return runner.run("devices", name, payload, {"username": "ada"}, limits)


def works(runner: ExtractorRunner) -> bool:
    frame = call(runner, "size")
    assert isinstance(frame, pl.DataFrame)
    return frame.row(0)[:2] == (5, "ada")


def test_frames_of_polars_and_pandas_and_datasets_arrive_as_they_left(runner: ExtractorRunner) -> None:
    assert works(runner)
    frame = call(runner, "pandas")
    assert isinstance(frame, pd.DataFrame)
    assert frame["mixed"].tolist()[:2] == ["a", 1.5]
    assert str(frame["time"].dt.tz) == "UTC"
    dataset = call(runner, "dataset")
    xr.testing.assert_identical(
        dataset, xr.Dataset({"t": ("place", [1.0, 2.0])}, {"place": ["a", "b"]}, {"title": "x"})
    )


def test_both_signatures_are_served(folder: Path) -> None:
    metadata = {"content_type": "application/json", "dataframe_row": {"place": "peak"}}
    frame = run_extractor(folder, "devices", "parsed", b'{"t": 1.5}', metadata)
    assert isinstance(frame, pl.DataFrame)
    assert frame.rows() == [(1.5, "peak")]
    with pytest.raises(PayloadError, match="line 1, column 2"):
        run_extractor(folder, "devices", "parsed", b"{", metadata)


def test_one_process_serves_many_calls(runner: ExtractorRunner) -> None:
    processes = {call(runner, "size")["process"][0] for _ in range(20)}
    assert len(processes) == 1
    assert processes != {os.getpid()}


def test_payloads_larger_than_a_pipe_get_through(runner: ExtractorRunner) -> None:
    frame = call(runner, "size", payload=b"x" * 20_000_000)
    assert frame["size"][0] == 20_000_000


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        (
            "raises",
            ExtractorRaisedError,
            r"devices\.raises raised KeyError: 'no such key' \(devices\.py line",
        ),
        ("leaves", ExtractorRaisedError, "devices.leaves raised SystemExit: 4"),
        ("absent", ExtractorMissingError, "module devices has no function absent"),
        ("lazy", ExtractorResultError, "devices.lazy returned LazyFrame, not a polars or pandas DataFrame"),
        ("own_class", ExtractorResultError, "which no other process knows"),
        ("ends", ExtractorExitError, "ended its process with exit code 4; it printed last: last words"),
        ("kills_parent", ExtractorExitError, "ended its process with signal SIGKILL"),
        ("kills_group", ExtractorExitError, "ended its process with signal SIGTERM"),
        ("grows", ExtractorMemoryError, "devices.grows wanted more than 512 MiB of memory"),
        ("grows_outside_python", ExtractorMemoryError, "wanted more than 512 MiB .* allocation of"),
    ],
)
def test_failure_says_how_and_the_next_call_succeeds(
    runner: ExtractorRunner, name: str, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        call(runner, name)
    assert works(runner)


@pytest.mark.parametrize("name", ["hangs", "ignores_signals", "stops"])
def test_hanging_extractor_is_ended_at_its_time_limit(runner: ExtractorRunner, name: str) -> None:
    assert works(runner)  # the time of its start is not the extractor's
    with pytest.raises(ExtractorTimeoutError, match=r"took longer than 2 s") as caught:
        call(runner, name, SHORT)
    assert ("it printed last: still here" in str(caught.value)) == (name == "hangs")
    assert works(runner)


@pytest.mark.parametrize("name", ["prints", "writes_to_its_pipes", "forks"])
def test_what_an_extractor_does_beside_its_work_disturbs_nothing(runner: ExtractorRunner, name: str) -> None:
    for _ in range(3):
        assert call(runner, name)["size"][0] == 5
        assert works(runner)


def test_nothing_an_extractor_started_outlives_its_runner(folder: Path) -> None:
    before = set(descendants(os.getpid()))
    with ExtractorRunner(folder) as runner:
        call(runner, "leaves_a_daemon")
        wait_until(lambda: len(set(descendants(os.getpid())) - before) == 3, "the first child to end")
    assert set(descendants(os.getpid())) <= before


def test_hanging_extractor_ends_with_the_sweep_that_called_it(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom packages.common.extractors.runner import run_extractor\n"
        f"run_extractor(Path({str(folder)!r}), 'devices', 'hangs', b'', {{}})\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")])}
    sweep = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(_working(sweep.pid)) == 2)
        started = _working(sweep.pid)
    finally:
        sweep.send_signal(signal.SIGKILL)
        sweep.wait()
    wait_until(lambda: not any(Path(f"/proc/{process}/cmdline").exists() for process in started))


def test_limit_of_whoever_started_the_service_is_kept(folder: Path) -> None:
    code = (
        "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))\n"
        "from pathlib import Path\nfrom packages.common.extractors.runner import run_extractor\n"
        f"found = run_extractor(Path({str(folder)!r}), 'devices', 'size', b'', {{}}, memory_bytes=2**33)\n"
        "print(len(found))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def _working(process: int) -> list[int]:
    """The two processes of a worker, once it has imported the extractor's module."""
    found = list(descendants(process))
    loaded = [one for one in found if "polars" in Path(f"/proc/{one}/maps").read_text()]
    return found if loaded else []
