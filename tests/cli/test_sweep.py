from __future__ import annotations

import time
from pathlib import Path

import pytest

from packages.cli import sweep as sweep_command
from packages.common.errors import ConfigurationError, StorageUnavailableError
from services.extractor_service.report import SweepReport
from tests.cli.runner import Cli
from tests.extractor.site import Site, csv
from zarr_fuse import Node
from zarr_fuse.errors import LeaseHeldError


def test_everything_merged_is_exit_zero(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0))
    assert cli.run("sweep", "--once").stdout == "1 processed\n"
    assert site.states() == {item_id: ["processed"]}
    assert cli.run("sweep", "--once").stdout == "nothing to do\n"


def test_failed_item_is_exit_three_and_a_line_with_its_reason(site: Site, cli: Cli) -> None:
    site.accept("weather", csv(0))
    bad = site.accept("weather", csv(1), schema_name="vanished.yaml")
    assert cli.lines("sweep", "--once", code=3) == [
        ["failed", bad, "schema_unavailable: the schema vanished.yaml does not exist"],
        ["1 processed, 1 failed"],
    ]


def test_transient_trouble_is_exit_four(site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    item_id = site.accept("weather", csv(0))

    def held(*_: object, **__: object) -> None:
        raise LeaseHeldError("another writer holds the lease")

    monkeypatch.setattr(Node, "transaction", held)
    assert cli.lines("sweep", "--once", code=4) == [
        ["waits", item_id, "lease_held: another writer holds the lease"],
        ["1 retried"],
    ]


def test_queue_that_is_away_is_exit_four(site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise StorageUnavailableError("list accepted/: timeout")

    monkeypatch.setattr(sweep_command, "run_sweep", away)
    assert cli.run("sweep", "--once", code=4).stderr == "error: list accepted/: timeout\n"


def test_configuration_that_is_away_is_exit_two(site: Site, cli: Cli) -> None:
    site.settings.config_path.unlink()
    assert "configuration.yaml" in cli.run("sweep", "--once", code=2).stderr


def test_only_the_endpoints_asked_for_are_swept(site: Site, cli: Cli) -> None:
    weather, strict, logger = (site.accept(name, csv(0)) for name in ("weather", "strict", "logger"))
    cli.run("sweep", "--once", "--endpoint", "weather", "--endpoint", "strict")
    assert site.states() == {weather: ["processed"], strict: ["processed"], logger: ["accepted"]}


def test_without_once_it_sweeps_until_interrupted(
    site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        site.accept("weather", csv(len(pauses)))
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", pause)
    result = cli.run("sweep", "--interval", 0.5)
    assert pauses == [0.5, 0.5, 0.5]
    assert result.stdout.splitlines() == ["nothing to do", "1 processed", "1 processed", "stopped"]


def test_loop_outlives_a_sweep_that_cannot_begin(
    site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ConfigurationError("configuration.yaml:3: unknown key")
    answers = iter([StorageUnavailableError("timeout"), wrong, SweepReport(processed=2), KeyboardInterrupt()])

    def sweep(*_: object, **__: object) -> SweepReport:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(sweep_command, "run_sweep", sweep)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    result = cli.run("sweep")
    assert result.stderr == "error: timeout\nerror: configuration.yaml:3: unknown key\n"
    assert result.stdout.splitlines() == ["2 processed", "stopped"]


def test_no_bar_is_drawn_where_nobody_watches(site: Site, cli: Cli, tmp_path: Path) -> None:
    site.accept("weather", csv(0))
    result = cli.run("sweep", "--once")
    assert "\x1b" not in result.stdout + result.stderr
