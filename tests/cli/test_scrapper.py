from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.runner import Cli, cli_of
from tests.ingress.scrapper_rig import SCHEMA
from tests.ingress.scrapper_site import CSV, Site, running_site


@pytest.fixture
def source() -> Iterator[Site]:
    with running_site() as started:
        started.replies["/good"] = (200, {"Content-Type": "text/csv"}, CSV)
        yield started


@pytest.fixture
def configuration(tmp_path: Path, source: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    inputs = tmp_path / "inputs"
    (inputs / "schemas").mkdir(parents=True)
    (inputs / "schemas" / "sun.yaml").write_text(SCHEMA)
    (inputs / "sites.csv").write_text("path\ngood\nbad\n")
    common = "schema_name: sun.yaml, target_node: sun, allow_private_hosts: [127.0.0.1], cron: 0 6 * * *"
    rows = "{name: row, source: dataframe, dataframe_path: sites.csv, outputs: {path: path}}"
    path = inputs / "configuration.yaml"
    path.write_text(f"""\
active_scrappers:
  - {{name: good, {common}, url: '{source.url}/good?token=x'}}
  - {{name: rows, {common}, request: {{url: '{source.url}/{{path}}'}}, iterate: [{rows}]}}
""")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_PATH", str(path))
    monkeypatch.setenv("BASIC_AUTH_USERS_JSON", '{"a": "b"}')
    return path


@pytest.fixture
def cli(configuration: Path) -> Cli:
    return cli_of("scrapper", "check")


def test_a_dry_run_prints_the_requests_and_makes_none(cli: Cli, source: Site) -> None:
    printed = cli.run("scrapper", "run", "rows", "--dry-run").stdout.splitlines()
    assert printed[1:] == [f"  GET {source.url}/good", f"  GET {source.url}/bad"]
    assert source.requests == []


def test_a_run_says_what_became_of_each_request(cli: Cli, source: Site) -> None:
    (only,) = cli.lines("scrapper", "run", "good")
    assert only[0] == "accepted"
    assert only[3].startswith("good/")
    assert "HIDDEN" in only[1]
    good, bad = cli.lines("scrapper", "run", "rows", code=3)
    assert (good[0], bad[0], bad[2]) == ("accepted", "failed", "path=bad")
    assert bad[3].startswith("fetch_not_found: ")
    listed = {line[0]: line for line in cli.lines("scrapper", "ls")}
    assert listed["rows"][1:2] + listed["rows"][3:] == ["0 6 * * *", "1 accepted, 1 failed", "0 missed"]


def test_a_backfill_runs_the_fire_times_of_a_span(cli: Cli, source: Site) -> None:
    span = ("--since", "2026-11-01", "--until", "2026-11-03")
    dry = cli.run("scrapper", "backfill", "good", *span, "--dry-run").stdout
    assert [line for line in dry.splitlines() if "GET" not in line] == [
        "2026-11-01T06:00:00Z",
        "2026-11-02T06:00:00Z",
    ]
    assert [line[0] for line in cli.lines("scrapper", "backfill", "good", *span)] == ["accepted", "unchanged"]
    assert cli.run("scrapper", "backfill", "good").stdout == "nothing to do\n"


def test_unknown_names_and_wrong_configurations_end_the_command(cli: Cli, configuration: Path) -> None:
    assert "good, rows" in cli.run("scrapper", "run", "none", code=1).stderr
    configuration.write_text("active_scrappers: [{name: x}]\n")
    assert "configuration.yaml:1" in cli.run("scrapper", "run", "x", code=2).stderr


def test_the_check_prints_fire_times_and_requests(cli: Cli, source: Site) -> None:
    lines = cli.run("check").stdout.splitlines()
    start = lines.index("ok     scraper rows")
    assert [line.strip() for line in lines[start + 2 : start + 4]] == [
        f"GET {source.url}/good",
        f"GET {source.url}/bad",
    ]
    assert sum(line.strip().endswith("06:00 UTC") for line in lines[start : start + 10]) == 3
    assert any("warning: scraper good: token" in line for line in lines)
    assert source.requests == []


def test_the_check_finds_what_keeps_a_scraper_from_running(cli: Cli, configuration: Path) -> None:
    text = configuration.read_text().replace("outputs: {path: path}", "outputs: {path: pth}")
    smtp = "{host: h, notify_to: a@x, from_email: b@x, username: u}"
    text = (
        text.replace("url: '", "auth: {bearer_env: NOT_SET}, url: '", 1)
        + f"configuration: {{smtp: {smtp}}}\n"
    )
    configuration.write_text(text)
    wrong = [line for line in cli.run("check", code=1).stdout.splitlines() if line.startswith("wrong")]
    assert len(wrong) == 3
    for expected, line in zip(("NOT_SET", "no column 'pth'", "SMTP_PASSWORD"), wrong, strict=True):
        assert expected in line


def test_the_check_finds_a_node_that_can_hold_nothing(cli: Cli, configuration: Path) -> None:
    configuration.write_text(configuration.read_text().replace("target_node: sun, ", "", 1))
    wrong = [line for line in cli.run("check", code=1).stdout.splitlines() if line.startswith("wrong")]
    assert len(wrong) == 1
    assert "scraper good: target_node: The schema of 'good' has no node '' with variables" in wrong[0]
