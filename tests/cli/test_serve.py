from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from packages.cli import main
from tests.cli.runner import cli_of
from tests.ingress.live import CONFIGURATION, write_inputs
from tests.rigs.project import ROOT

FAST_MODULES = {"numpy", "polars", "pandas", "xarray", "zarr", "fastapi", "httpx", "obstore", "pydantic"}


def test_help_names_every_command_and_imports_none() -> None:
    code = (
        "import sys\nfrom packages.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in main.COMMANDS:
        assert f" {name} " in shown.stdout
    assert not FAST_MODULES & set(shown.stderr.split())


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_line_in_help_is_the_first_of_the_command_itself(name: str) -> None:
    described = main.load(name).help or ""
    assert described.partition("\n\n")[0].replace("\n", " ") == main.COMMANDS[name].summary


def test_version() -> None:
    result = CliRunner().invoke(main.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"{main.version_text()}\n")


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"]])
def test_misuse_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main.app, arguments).exit_code == 2


def test_openapi_prints_the_document_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_PATH", str(write_inputs(tmp_path)))
    document = json.loads(cli_of("serve").run("openapi").stdout)
    assert {"/api/v1/weather", "/api/v1/weather/nested", "/api/v1/items"} <= set(document["paths"])


def test_openapi_of_a_wrong_configuration_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_inputs(tmp_path)
    path.write_text(CONFIGURATION.replace("target_node: grid", "target_node: gird"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_PATH", str(path))
    assert "'gird'" in cli_of("serve").run("openapi", code=2).stderr
