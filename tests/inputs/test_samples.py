from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.rigs.project import ROOT

SAMPLES = ROOT / "inputs" / "samples"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_committed_samples_are_what_the_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "make_samples.py", tmp_path], check=True)
    assert contents(SAMPLES) == contents(tmp_path)


def test_samples_stay_small() -> None:
    assert sum(map(len, contents(SAMPLES).values())) < 1_000_000
