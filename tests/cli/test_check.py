from __future__ import annotations

import json
from pathlib import Path

import pytest

from packages.cli import check
from packages.common.extractors import process
from tests.cli.runner import Cli, cli_of
from tests.ingress.live import CONFIGURATION, SCHEMA, USERS, write_inputs
from zarr_fuse.storage.abilities import Abilities


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_inputs(tmp_path / "inputs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_PATH", str(path))
    monkeypatch.setenv("S3_STORE_URL", (tmp_path / "store.zarr").as_uri())
    monkeypatch.setenv("BASIC_AUTH_USERS_JSON", json.dumps(USERS))
    return path


@pytest.fixture
def cli() -> Cli:
    return cli_of("check")


def wrong_lines(cli: Cli) -> list[str]:
    output: str = cli.run("check", code=1).stdout
    return [line for line in output.splitlines() if line.startswith("wrong")]


def test_a_good_installation_is_exit_code_0_and_leaves_nothing(
    cli: Cli, inputs: Path, tmp_path: Path
) -> None:
    output = cli.run("check").stdout
    assert "wrong" not in output
    assert "schema of weather" in output
    assert "extractor extract.doc.normalise of doc" in output
    assert f"queue {(tmp_path / 'queue').as_uri()}" in output
    assert not [path for path in (tmp_path / "queue").rglob("*") if path.is_file()]


def test_everything_wrong_is_found_in_one_run(
    cli: Cli, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs.write_text(
        CONFIGURATION.replace("target_node: grid", "target_node: gird").replace("normalise", "normalize")
    )
    monkeypatch.setenv("BASIC_AUTH_USERS_JSON", '{"eve": "$argon2id$hidden"}')
    monkeypatch.setenv("S3_QUEUE_URL", "ftp://queue/x")
    text = "\n".join(wrong_lines(cli))
    for expected in ("'gird'", "no function normalize", "'eve'", "ftp"):
        assert expected in text
    assert "hidden" not in text


def test_a_mistake_in_the_file_is_named_with_its_line(cli: Cli, inputs: Path) -> None:
    inputs.write_text(CONFIGURATION.replace("users: [bob]", "user: [bob]"))
    line = len(CONFIGURATION.splitlines())
    (found,) = wrong_lines(cli)
    assert found.startswith(f"wrong  configuration: {inputs}:{line}: ")


def test_a_misspelt_setting_is_told(cli: Cli, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_ATEMPTS", "3")
    assert "warning  MAX_ATEMPTS is no setting; MAX_ATTEMPTS is" in cli.run("check").output


def test_an_extractor_that_cannot_be_imported_is_named_with_its_line(cli: Cli, inputs: Path) -> None:
    (inputs.parent / "extract" / "doc.py").write_text("\n\n1 / 0\n")
    found = wrong_lines(cli)
    assert len(found) == 1
    assert "ZeroDivisionError" in found[0]
    assert "doc.py line 3" in found[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys\nsys.exit('bye')\n", ["SystemExit: bye", "doc.py line 2"]),
        ("import os\nprint('on my way', flush=True)\nos._exit(7)\n", ["exit code 7", "on my way"]),
        ("\n\nimport time\ntime.sleep(600)\n", ["longer than 2 s", "doc.py line 4"]),
        ("def normalise(:\n", ["SyntaxError", "doc.py, line 1"]),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", ["SIGSEGV"]),
    ],
    ids=["exits", "exits at once", "hangs", "no python", "crashes"],
)
def test_an_extractor_that_misbehaves_on_import_is_found_and_hurts_nothing_else(
    cli: Cli, inputs: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: list[str]
) -> None:
    monkeypatch.setenv("EXTRACTOR_TIMEOUT_S", "2" if "sleep" in source else "60")
    (inputs.parent / "extract" / "doc.py").write_text(source)
    found = wrong_lines(cli)
    assert len(found) == 1
    assert [text for text in said if text not in found[0]] == []


def test_what_an_extractor_prints_on_import_is_not_part_of_the_report(
    cli: Cli, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(process.log, "debug", lambda event, **_: logged.append(event), raising=False)
    path = inputs.parent / "extract" / "doc.py"
    path.write_text("print('hello')\n" + path.read_text())
    assert "hello" not in cli.run("check").output
    assert logged == []


def test_no_users_are_worth_a_word(cli: Cli, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BASIC_AUTH_USERS_JSON")
    assert "BASIC_AUTH_USERS_JSON" in wrong_lines(cli)[0]
    assert "ok     users" not in cli.run("check", code=1).stdout


@pytest.mark.parametrize("safe", [True, False])
def test_the_probe_of_the_storage_decides(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, safe: bool
) -> None:
    found_out = Abilities(create_only=safe, list_after_write=True, multipart=safe)
    monkeypatch.setattr("packages.common.s3io.ObjectStorage.abilities", lambda *_: found_out)
    monkeypatch.setattr("packages.cli.check_stores.probe_abilities", lambda *_: found_out)
    monkeypatch.setenv("S3_STORE_URL", "s3://elsewhere/store.zarr")
    monkeypatch.setenv("S3_QUEUE_URL", (tmp_path / "queue").as_uri())
    monkeypatch.setenv("S3_ACCESS_KEY", "key")
    monkeypatch.setenv("S3_SECRET_KEY", "secret")
    found = [finding for finding in check.findings() if finding.subject.startswith(("queue", "store"))]
    assert [finding.subject.partition(" ")[0] for finding in found] == ["queue", "store"]
    for finding in found:
        assert [word in finding.problem for word in ("creates", "listings", "multipart")] == [
            not safe,
            False,
            not safe,
        ]


def test_what_is_doubtful_in_a_schema_is_told_once(cli: Cli, inputs: Path) -> None:
    with inputs.open("a", encoding="utf-8") as file:
        file.write("  - {name: again, endpoint: /api/v1/again, schema_name: tree.yaml, target_node: grid}\n")
    schema = SCHEMA.replace("unit: degC", "unit: C")
    (inputs.parent / "schemas" / "tree.yaml").write_text(schema)
    output = cli.run("check").output
    assert output.count("warning  ") == output.count("is a coulomb") == 1


def test_every_store_that_a_schema_names_is_tried(cli: Cli, inputs: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file where a folder should be")
    schema = f"ATTRS: {{STORE_URL: '{taken.as_uri()}/grid.zarr'}}\n{SCHEMA}"
    (inputs.parent / "schemas" / "other.yaml").write_text(schema)
    inputs.write_text(
        f"{CONFIGURATION}  - {{name: o, endpoint: /api/v1/o, schema_name: other.yaml, target_node: grid}}\n"
    )
    found = wrong_lines(cli)
    assert [f"store {taken.as_uri()}/grid.zarr" in line for line in found] == [True]
    assert f"ok     store {(tmp_path / 'store.zarr').as_uri()}" in cli.run("check", code=1).stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["taken"]


def test_no_folder_is_made_for_a_store(cli: Cli, inputs: Path, tmp_path: Path) -> None:
    schema = f"ATTRS: {{STORE_URL: deep/below/grid.zarr}}\n{SCHEMA}"
    (inputs.parent / "schemas" / "tree.yaml").write_text(schema)
    assert "ok     store deep/below/grid.zarr" in cli.run("check").stdout
    assert not (tmp_path / "deep").exists()


def test_units_that_no_table_can_have_are_found_before_the_first_upload(cli: Cli, inputs: Path) -> None:
    schema = SCHEMA.replace("temperature: {unit: degC", "temperature: {unit: degC, source_unit: m")
    (inputs.parent / "schemas" / "tree.yaml").write_text(schema)
    found = wrong_lines(cli)
    assert found
    assert all("tree.yaml: station/temperature: the source unit meter measures" in line for line in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "neither endpoints nor scrapers"), ("- weather\n", "keys with values belong here")],
)
def test_a_configuration_without_content_is_told(cli: Cli, inputs: Path, text: str, said: str) -> None:
    inputs.write_text(text)
    assert [said in line for line in wrong_lines(cli)] == [True]
