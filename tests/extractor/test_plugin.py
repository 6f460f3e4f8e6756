from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extractor.site import clean_environment
from tests.rigs.project import ROOT

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(600)]

PLUGINS = ROOT / "services" / "extractor_service" / "plugins"
SCRIPT = """
import json, os, sys

command, executor = sys.argv[1:]
sys.argv = ["airflow", command]
os.environ["AIRFLOW__CORE__EXECUTOR"] = executor
sys.path.insert(0, os.environ["PLUGINS"])

class Job:
    pass

from ingress_queue import Preloading
Preloading().on_starting(Job())
loaded = "polars" in sys.modules
merged = None
if loaded:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        import polars
        frame = polars.DataFrame({"a": range(100_000), "b": [1.5] * 100_000})
        total = frame.group_by(polars.col("a") % 7).agg(polars.col("b").sum())["b"].sum()
        os.write(write, json.dumps(total).encode())
        os._exit(0)
    os.close(write)
    merged = json.loads(os.read(read, 100))
    os.waitpid(child, 0)
print(json.dumps({"loaded": loaded, "merged": merged}))
"""


@pytest.mark.parametrize(
    ("command", "executor", "loaded"),
    [
        ("scheduler", "LocalExecutor", True),
        ("dag-processor", "LocalExecutor", False),
    ],
)
def test_only_a_scheduler_that_forks_its_tasks_imports_the_pipeline_and_what_it_forks_works(
    tmp_path: Path, command: str, executor: str, loaded: bool
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, command, executor],
        env=clean_environment() | {"AIRFLOW_HOME": str(tmp_path), "PLUGINS": str(PLUGINS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    told = json.loads(finished.stdout.splitlines()[-1])
    assert told == {"loaded": loaded, "merged": 150_000.0 if loaded else None}
