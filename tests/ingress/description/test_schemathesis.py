"""What the service says about itself, held against what it does, by somebody who reads only the document."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hypothesis_profiles import examples
from tests.ingress.live import ROOT as ADMIN
from tests.ingress.live import running, settings_for
from tests.rigs.project import ROOT

CONFIGURATION = """
endpoints:
  - {name: weather, endpoint: /api/v1/weather, schema_name: tree.yaml, target_node: station}
  - {name: doc, endpoint: /api/v1/doc, schema_name: tree.yaml, target_node: grid, fn_module: extract.doc,
     extract_fn: normalise}
"""


@pytest.mark.timeout(600)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    settings.config_path.write_text(CONFIGURATION)
    with running(settings) as service:
        service.post()
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "schemathesis.toml")),
            *("run", f"http://127.0.0.1:{service.port}/openapi.json", "--auth", ":".join(ADMIN)),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples(2)), "--seed", "1"),
            *("--generation-database", "none", "--no-color"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "Errors:" not in done.stdout
        assert service.client.get("/health").status_code == 200
