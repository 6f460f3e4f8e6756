from __future__ import annotations

import json
import os

import pytest

from packages.common.models.metadata_model import ItemError
from services.extractor_service.items import PlannedItem, Verdict, VerdictKind
from services.extractor_service.outcomes import Circumstances
from services.extractor_service.settle import settle
from tests.cli.runner import Cli
from tests.extractor.site import BEGIN, Site, csv


def fail(site: Site, item_id: str, message: str = "no such column") -> None:
    item = site.queue.find(item_id)
    assert item is not None
    planned = PlannedItem(item_id=item_id, extension=item.extension, size_bytes=item.size_bytes)
    error = ItemError(kind="update_refused", message=message)
    verdict = Verdict(planned, VerdictKind.PERMANENT, error=error)
    settle(site.queue, [verdict], Circumstances(BEGIN, 8))


def age(site: Site, item_id: str, state: str, seconds: float) -> None:
    for path in (site.folder / "queue" / state).glob(f"{item_id}.*"):
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def test_ls_shows_state_and_reason_as_tab_separated_lines(site: Site, cli: Cli) -> None:
    waiting, broken = site.accept("weather", csv(0)), site.accept("weather", csv(1))
    fail(site, broken, "no\nsuch column")
    size = str(len(csv(0)))
    assert cli.lines("queue", "ls") == [
        ["accepted", waiting, size, "2026-11-20T08:00:00Z", "0", "", ""],
        ["failed", broken, size, "2026-11-20T08:00:01Z", "1", "", "update_refused: no such column"],
    ]


def test_ls_shows_ids_and_reasons_whole_on_a_narrow_terminal(
    site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("weather", csv(0))
    fail(site, item_id, "cell '[/x] [bold]no number' is no number")
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "80", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)
    shown = cli.run("queue", "ls").stdout
    cells = [line.split("│") for line in shown.splitlines() if "│" in line]
    assert "".join(line[2].strip() for line in cells) == item_id
    assert "[/x][bold]nonumber" in "".join(line[-2].strip() for line in cells).replace(" ", "")


def test_ls_says_until_when_and_why_an_item_waits(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0))
    item = PlannedItem(item_id=item_id, extension="csv", size_bytes=1)
    error = ItemError(kind="storage_unavailable", message="no space left")
    settle(site.queue, [Verdict(item, VerdictKind.TRANSIENT, error=error)], Circumstances(BEGIN, 8))
    (line,) = cli.run("queue", "ls").stdout.splitlines()
    assert line.partition("waits until ")[2].endswith("Z: storage_unavailable: no space left")


def test_ls_chooses_by_state_endpoint_and_node(site: Site, cli: Cli) -> None:
    plain, nested = site.accept("weather", csv(0)), site.accept("weather", csv(0), node="a/b")
    other = site.accept("river", [])
    fail(site, other)

    def ids(*options: str) -> list[str]:
        return [line[1] for line in cli.lines("queue", "ls", *options)]

    assert ids("--endpoint", "weather") == [plain, nested]
    assert ids("--endpoint", "weather", "--node", "a/b") == [nested]
    assert ids("--endpoint", "weather", "--node", "") == [plain]
    assert ids("--state", "failed") == [other]


def test_ls_as_json_can_be_read_by_a_program(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0))
    (found,) = json.loads(cli.run("queue", "ls", "--json").stdout)
    assert (found["item_id"], found["state"], found["received_at"]) == (
        item_id,
        "accepted",
        "2026-11-20T08:00:00Z",
    )


def test_ls_says_when_there_is_more(site: Site, cli: Cli) -> None:
    for number in range(3):
        site.accept("weather", csv(number))
    result = cli.run("queue", "ls", "--limit", 2)
    assert len(result.stdout.splitlines()) == 2
    assert "more than 2" in result.stderr


def test_show_prints_metadata_and_outcome(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0), username="station")
    fail(site, item_id)
    found = json.loads(cli.run("queue", "show", item_id, "--json").stdout)
    assert (found["state"], found["username"]) == ("failed", "station")
    assert found["outcome"]["error"]["message"] == "no such column"
    assert ["username", "station"] in cli.lines("queue", "show", item_id)


def test_unknown_item_is_exit_one(site: Site, cli: Cli) -> None:
    for command in ("show", "requeue", "purge"):
        assert "holds no item weather/nothing" in cli.run("queue", command, "weather/nothing", code=1).stderr


def test_requeue_brings_failed_items_back_without_attempts(site: Site, cli: Cli) -> None:
    ids = [site.accept("weather", csv(number)) for number in range(2)]
    for item_id in ids:
        fail(site, item_id)
    assert cli.lines("queue", "requeue", "--state", "failed") == [["requeued", one] for one in ids]
    assert site.states() == {one: ["accepted"] for one in ids}
    metadata = site.metadata(ids[0])
    assert (metadata.attempts, metadata.outcome) == (0, None)


def test_requeue_can_take_over_the_configuration_of_now(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0), target_node="mistyped")
    fail(site, item_id)
    cli.run("queue", "requeue", item_id, "--refresh")
    assert site.metadata(item_id).target_node == "station"


def test_requeue_and_purge_want_to_know_which(site: Site, cli: Cli) -> None:
    for command in ("requeue", "purge"):
        assert "--state" in cli.run("queue", command, code=2).stderr
    assert "--endpoint" in cli.run("queue", "ls", "--node", "a", code=2).stderr


def test_purge_asks_and_deletes_nothing_where_nobody_answers(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0))
    assert "--yes" in cli.run("queue", "purge", item_id, code=2).stderr
    assert site.states() == {item_id: ["accepted"]}
    cli.run("queue", "purge", item_id, "--yes")
    assert [path for path in (site.folder / "queue").rglob("*") if path.is_file()] == []


def test_wrong_setting_is_exit_two_and_names_it(
    site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_ATTEMPTS", "many")
    assert "MAX_ATTEMPTS" in cli.run("queue", "ls", code=2).stderr


def test_housekeeping_keeps_everything_by_default(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0))
    fail(site, item_id)
    age(site, item_id, "failed", 1e8)
    assert cli.run("housekeeping").stdout == "0 objects deleted\n"
    assert site.states() == {item_id: ["failed"]}


def test_housekeeping_removes_what_is_past_its_retention(
    site: Site, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, fresh, waiting = (site.accept("weather", csv(number)) for number in range(3))
    for item_id in (old, fresh):
        fail(site, item_id)
    age(site, old, "failed", 3 * 86400)
    age(site, waiting, "accepted", 30 * 86400)
    monkeypatch.setenv("RETENTION_FAILED_DAYS", "2")
    monkeypatch.setenv("RETENTION_PROCESSED_DAYS", "2")
    before = site.states()
    told = cli.run("housekeeping", "--dry-run").stdout
    assert f"would delete\tfailed/{old}.csv\tfailed before" in told
    assert told.endswith("2 objects would be deleted\n")
    assert site.states() == before
    assert cli.run("housekeeping").stdout.endswith("2 objects deleted\n")
    assert site.states() == {waiting: ["accepted"], fresh: ["failed"]}
    assert list((site.folder / "queue").rglob(f"{old.rpartition('/')[2]}*")) == []


def test_housekeeping_removes_metadata_of_aborted_uploads_after_an_hour(site: Site, cli: Cli) -> None:
    aborted, young, whole = (site.accept("weather", csv(number)) for number in range(3))
    for item_id in (aborted, young):
        (site.folder / "queue" / "accepted" / f"{item_id}.csv").unlink()
    for item_id in (aborted, whole):
        age(site, item_id, "accepted", 3601)
    assert "1 object deleted" in cli.run("housekeeping").stdout
    left = sorted(
        path.name.partition(".")[0] for path in (site.folder / "queue" / "accepted").rglob("*.json")
    )
    assert left == sorted(one.partition("/")[2] for one in (young, whole))


def test_ls_marks_a_foreign_payload(site: Site, cli: Cli) -> None:
    item_id = site.accept("weather", csv(0))
    (site.folder / "queue" / "accepted" / f"{item_id}.csv.meta.json").unlink()
    (line,) = cli.lines("queue", "ls", "--state", "accepted")
    assert line[-1] == "foreign: it has no metadata"
