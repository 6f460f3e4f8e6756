from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from packages.cli import schema
from packages.cli.main import COMMANDS, load
from tests.cli.runner import Cli, cli_of

RIVER = """
upper:
  VARS:
    stage: {unit: m, coords: t, range: {interval: [0, 40]}}
    flow: {unit: l/s, coords: t}
  COORDS: {t: {unit: {tick: s}}}
"""
LATER = """
upper:
  VARS:
    stage: {unit: m, df_col: level, coords: t, range: {interval: [0, 50]}}
    slope: {unit: deg, coords: t}
  COORDS: {t: {unit: {tick: s}}}
"""


@pytest.fixture
def cli() -> Cli:
    return cli_of("schema")


@pytest.fixture
def river(tmp_path: Path) -> Path:
    return written(tmp_path / "river.yaml", RIVER)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_is_part_of_the_application() -> None:
    assert COMMANDS["schema"].module == schema.__name__
    assert set(load("schema").commands) == {"check", "json", "diff"}


def test_a_sound_schema_is_exit_code_0(cli: Cli, river: Path) -> None:
    assert cli.run("schema", "check", river).stdout == f"ok       {river}\n"


def test_a_warning_is_told_and_is_no_error(cli: Cli, tmp_path: Path) -> None:
    path = written(tmp_path / "river.yaml", "VARS: {v: {unit: C, coords: t}}\nCOORDS: {t: {unit: s}}")
    warned, fine = cli.run("schema", "check", path).stdout.splitlines()
    assert warned.startswith(f"warning  {path}:VARS/v/unit: ")
    assert fine == f"ok       {path}"


def test_every_error_of_every_file_is_told(cli: Cli, river: Path, tmp_path: Path) -> None:
    wrong = written(tmp_path / "a.yaml", "VARS: {v: {unit: m3/s, coords: t}, w: {uint: m, coords: t}}")
    broken = written(tmp_path / "b.yaml", "a: [")
    lines = cli.run("schema", "check", wrong, river, broken, code=1).stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"error    {wrong}:VARS/v/unit",
        f"error    {wrong}:VARS/w/uint",
        f"ok       {river}",
        f"error    {broken}",
    ]
    assert "m**3/s" in lines[0]


def test_a_file_that_is_not_there_is_misuse(cli: Cli, tmp_path: Path) -> None:
    cli.run("schema", "check", tmp_path / "none.yaml", code=2)
    cli.run("schema", "check", code=2)
    cli.run("schema", "diff", tmp_path / "none.yaml", tmp_path / "none.yaml", code=2)


def test_the_json_schema_is_printed(cli: Cli) -> None:
    Draft202012Validator.check_schema(json.loads(cli.run("schema", "json").stdout))


def test_compatible_changes_are_listed_with_their_reason(cli: Cli, river: Path, tmp_path: Path) -> None:
    later = written(tmp_path / "later.yaml", LATER)
    lines = cli.lines("schema", "diff", river, later)
    assert [(line[0], line[1], line[4].split(": ")[0]) for line in lines] == [
        ("compatible", "upper/VARS/stage/df_col", "incoming"),
        ("compatible", "upper/VARS/stage/range", "incoming"),
        ("compatible", "upper/VARS/flow", "kept"),
        ("compatible", "upper/VARS/slope", "added"),
    ]
    assert lines[0][2:4] == ["stage", "level"]
    assert len(lines[2][2]) == schema.SHOWN_CHARACTERS


def test_a_breaking_change_is_exit_code_1(cli: Cli, river: Path, tmp_path: Path) -> None:
    later = written(tmp_path / "later.yaml", RIVER.replace("unit: m,", "unit: km,"))
    lines = cli.lines("schema", "diff", river, later, code=1)
    assert lines[0][:4] == ["breaking", "upper/VARS/stage/unit", "meter", "kilometer"]
    document = json.loads(cli.run("schema", "diff", river, later, "--json", code=1).stdout)
    assert document["compatible"] is False
    assert document["changes"][0] == {
        "place": "upper/VARS/stage/unit",
        "effect": "breaking",
        "old": "meter",
        "new": "kilometer",
        "reason": lines[0][4],
    }


def test_equal_schemas_have_nothing_to_list(cli: Cli, river: Path) -> None:
    result = cli.run("schema", "diff", river, river)
    assert (result.stdout, result.stderr) == ("", "the schemas say the same\n")
    assert json.loads(cli.run("schema", "diff", river, river, "--json").stdout) == {
        "compatible": True,
        "changes": [],
    }


def test_what_is_no_schema_cannot_be_compared(cli: Cli, river: Path, tmp_path: Path) -> None:
    wrong = written(
        tmp_path / "a.yaml", "VARS: {v: {coords: t, unit: foo, colour: red}, w: {coords: t, df_col: 5}}"
    )
    errors = cli.run("schema", "diff", river, wrong, code=2).stderr.splitlines()
    assert [line.split(": ")[1] for line in errors] == [f"{wrong}:VARS/v/colour", f"{wrong}:VARS/w/df_col"]


def test_a_terminal_gets_a_table(
    cli: Cli, river: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "Console", lambda: Console(force_terminal=True, width=200, no_color=True))
    later = written(tmp_path / "later.yaml", LATER.replace("unit: m,", "unit: km,"))
    shown = cli.run("schema", "diff", river, later, code=1).stdout
    assert "verdict" in shown
    assert '{"interval": [0, 50, "kilometer"]}' in shown
