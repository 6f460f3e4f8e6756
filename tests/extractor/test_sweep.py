from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from packages.common.keys import ItemState
from packages.common.last_sweep import last_sweep
from packages.common.queue import Move, Queue
from packages.common.settings import Settings
from services.extractor_service import group as grouping
from services.extractor_service import places
from services.extractor_service import rounds as rounding
from services.extractor_service.group import begun, settled
from services.extractor_service.plan import plan
from services.extractor_service.report import SweepReport, total
from services.extractor_service.rounds import rounds
from services.extractor_service.sweep import merge_store, sweep
from tests.extractor.site import NODE, Site, build_site, csv, readings
from zarr_fuse import Node
from zarr_fuse.errors import AccessDeniedError, LeaseHeldError


def series(number: int) -> dict[str, object]:
    kept = ("time", "temperature")
    return {"series": [{name: one[name] for name in kept} for one in readings(number)]}


def accept_forty(site: Site) -> tuple[list[str], dict[str, str]]:
    """Forty items over four endpoints; the ids of the good ones, and of the bad ones by what is wrong."""
    bad: dict[str, str] = {}
    good: list[str] = []
    for number in range(10):
        broken_weather = "time,place\n1,2,3\n" if number == 4 else csv(number)
        item = site.accept("weather", broken_weather)
        (bad.__setitem__("unreadable", item) if number == 4 else good.append(item))
        item = site.accept("river", readings(number), node="nowhere" if number == 0 else "")
        (bad.__setitem__("node", item) if number == 0 else good.append(item))
        payload = {"no readings": []} if number == 9 else {"readings": readings(number)}
        item = site.accept("logger", payload)
        (bad.__setitem__("crash", item) if number == 9 else good.append(item))
        facts = {2: {"schema_name": "vanished.yaml"}, 7: {"schema_name": "wrong_unit.yaml"}}.get(number, {})
        item = site.accept("forecast", series(number), **facts)
        (bad.__setitem__(("schema" if number == 2 else "unit"), item) if facts else good.append(item))
    return good, bad


def test_forty_items_with_five_bad_ones(any_site: Site) -> None:
    site = any_site
    site.write(
        "schemas/wrong_unit.yaml",
        NODE.format(name="forecast").replace("unit: degC,", "unit: degC, source_unit: kg,"),
    )
    good, bad = accept_forty(site)
    report = sweep(site.settings)
    assert (report.processed, report.failed) == (35, 5)
    assert not report.has_trouble
    ends = dict.fromkeys(good, "processed") | dict.fromkeys(bad.values(), "failed")
    assert site.states() == {item_id: [state] for item_id, state in ends.items()}
    reasons = {name: site.error(item_id) for name, item_id in bad.items()}
    assert {name: kind for name, (kind, _) in reasons.items()} == {
        "unreadable": "payload",
        "node": "node_missing",
        "crash": "extractor_raised",
        "schema": "schema_unavailable",
        "unit": "update_refused",
    }
    assert "line 2" in reasons["unreadable"][1]
    assert "gauge/nowhere" in reasons["node"][1]
    assert (
        reasons["crash"][1] == "extract.devices.from_bytes raised KeyError: 'readings' (devices.py line 13)"
    )
    assert "vanished.yaml" in reasons["schema"][1]
    assert "kilogram" in reasons["unit"][1] or "kg" in reasons["unit"][1]
    assert {one.item_id for one in report.failures} == set(bad.values())
    assert_holds(site.dataset("weather.yaml", "station"), set(range(10)) - {4})
    assert_holds(site.dataset("river.yaml", "gauge"), set(range(1, 10)))
    assert_holds(site.dataset("weather.yaml", "logger"), set(range(9)))
    assert_holds(site.dataset("weather.yaml", "forecast"), set(range(10)) - {2, 7}, place="peak")
    assert sweep(site.settings).counts() == dict.fromkeys(report.counts(), 0)


def assert_holds(dataset: xr.Dataset, numbers: set[int], place: str = "valley") -> None:
    """The dataset holds exactly the readings of these numbers."""
    rows = [one for number in sorted(numbers) for one in readings(number)]
    times = np.array([str(one["time"])[:19] for one in rows], dtype="datetime64[ns]")
    np.testing.assert_array_equal(dataset["time"], times)
    assert dataset["place"].values.tolist() == [place]
    np.testing.assert_array_equal(dataset["temperature"].values[:, 0], [one["temperature"] for one in rows])


def test_outcome_tells_where_the_rows_went(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    sweep(site.settings, dag_run_id="scheduled__7")
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert (outcome.rows, outcome.node, outcome.dag_run_id) == (3, "station", "scheduled__7")
    assert outcome.store_url == site.settings.s3_store_url
    assert outcome.snapshot


def test_later_item_wins_where_two_say_something(site: Site) -> None:
    site.accept("weather", csv(0))
    site.accept("weather", csv(0).replace(",0.1\n", ",7.5\n"))
    sweep(site.settings)
    assert site.dataset("weather.yaml", "station")["temperature"].values[:, 0].tolist() == [0.0, 7.5, 0.2]


BAD_CELLS = "time,place,temperature\n2026-11-20T08:00,valley,1\n2026-11-20T09:00,valley,x\nnever,valley,3\n"


def test_bad_rows_are_reported_and_the_rest_is_merged(site: Site) -> None:
    item_id = site.accept("weather", BAD_CELLS)
    assert sweep(site.settings).processed == 1
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert outcome.rows == 2
    assert outcome.rejected_counts == {"not_convertible": 1, "coordinate_unreadable": 1}
    assert [(one.row, one.column, one.value) for one in outcome.rejected_rows] == [
        (1, "temperature", "x"),
        (2, "time", "never"),
    ]


DATASET = """
import numpy as np
import xarray as xr

def build(payload, metadata):
    times = np.array(["2026-11-20T08:00", "2026-11-20T09:00"], dtype="datetime64[s]")
    values = np.array([[1.5], [np.nan]]) if payload == b"good" else np.zeros((2, 1, 1))
    dims = ("time", "place") if payload == b"good" else ("time", "place", "level")
    return xr.Dataset({"temperature": (dims, values)}, {"time": times, "place": ["valley"]})
"""


def test_dataset_of_an_extractor_is_merged_and_a_wrong_one_refused(site: Site) -> None:
    site.write("extract/grids.py", DATASET)
    facts = {"fn_module": "extract.grids", "extract_fn": "build"}
    good, bad = (site.accept("logger", payload, **facts) for payload in (b"good", b"bad"))
    report = sweep(site.settings)
    assert (report.processed, report.failed) == (1, 1)
    assert site.states() == {good: ["processed"], bad: ["failed"]}
    kind, message = site.error(bad)
    assert kind == "update_refused"
    assert "temperature" in message
    dataset = site.dataset("weather.yaml", "logger")
    np.testing.assert_array_equal(dataset["temperature"].values[:, 0], [1.5, np.nan])


def test_endpoint_may_want_an_item_with_bad_rows_to_fail(site: Site) -> None:
    strict, lax = site.accept("strict", BAD_CELLS), site.accept("weather", csv(5))
    report = sweep(site.settings)
    assert (report.processed, report.failed) == (1, 1)
    assert site.states() == {strict: ["failed"], lax: ["processed"]}
    outcome = site.metadata(strict).outcome
    assert outcome is not None
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.row, outcome.error.column, outcome.error.value) == (
        "update_refused",
        1,
        "temperature",
        "x",
    )
    assert outcome.rows is None
    assert len(outcome.rejected_rows) == 2
    assert_holds(site.dataset("weather.yaml", "station"), {5})


def test_item_already_in_the_ledger_is_only_moved(site: Site) -> None:
    item_id = site.accept("weather", csv(0))
    sweep(site.settings)
    found = site.queue.find(item_id)
    assert found is not None
    again = site.metadata(item_id).model_copy(update={"outcome": None})
    site.queue.settle([Move(found, again, ItemState.ACCEPTED)])
    report = sweep(site.settings)
    assert (report.duplicates, report.processed) == (1, 0)
    assert site.states() == {item_id: ["processed"]}


def test_crash_between_merge_and_move_is_finished_with_the_outcome_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("weather", csv(0))
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "_leave", lambda queue, moves: None)
        sweep(site.settings)
    assert site.states() == {item_id: ["accepted", "processed"]}
    assert sweep(site.settings).duplicates == 1
    assert site.states() == {item_id: ["processed"]}
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert outcome.rows == 3


def test_interrupted_move_to_failed_is_finished_and_not_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("logger", {"readings": "crash"})
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "_leave", lambda queue, moves: None)
        sweep(site.settings)
    assert site.states() == {item_id: ["accepted", "failed"]}
    site.write("extract/devices.py", "raise AssertionError('called again')\n")
    report = sweep(site.settings)
    assert (report.resumed, report.failed) == (1, 0)
    assert site.states() == {item_id: ["failed"]}


def test_mended_item_is_merged_after_requeue(site: Site) -> None:
    item_id = site.accept("weather", csv(0), schema_name="late.yaml")
    sweep(site.settings)
    site.write("schemas/late.yaml", (site.folder / "inputs" / "schemas" / "weather.yaml").read_text())
    found = site.queue.find(item_id)
    assert found is not None
    site.queue.requeue(found)
    assert sweep(site.settings).processed == 1
    assert site.states() == {item_id: ["processed"]}


def test_group_is_one_transaction_and_a_small_bound_makes_several(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = count_transactions(monkeypatch)
    ids = [site.accept("weather", csv(number)) for number in range(6)]
    sweep(site.settings)
    assert groups == [ids]
    groups.clear()
    more = [site.accept("weather", csv(number + 6, rows=50)) for number in range(6)]
    sweep(site.settings.model_copy(update={"sweep_max_bytes": 4000}))
    assert len(groups) > 2
    assert [one for group in groups for one in group] == more


def count_transactions(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    groups: list[list[str]] = []
    begin = Node.transaction

    def transaction(node: Node, item_ids: list[str], **options: object) -> object:
        groups.append(list(item_ids))
        return begin(node, item_ids, **options)

    monkeypatch.setattr(Node, "transaction", transaction)
    return groups


def held(*_: object, **__: object) -> None:
    raise LeaseHeldError("another writer holds the lease")


def test_held_lease_leaves_the_items_of_that_store_for_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, merged = site.accept("weather", csv(0)), site.accept("river", readings(0))
    begin = Node.transaction

    def transaction(node: Node, item_ids: list[str], **options: object) -> object:
        return held() if waiting in item_ids else begin(node, item_ids, **options)

    monkeypatch.setattr(Node, "transaction", transaction)
    report = sweep(site.settings)
    assert (report.retried, report.processed, report.failed) == (1, 1, 0)
    assert report.has_trouble
    assert site.states() == {waiting: ["accepted"], merged: ["processed"]}
    assert site.metadata(waiting).attempts == 1
    assert sweep(site.settings).counts() == dict.fromkeys(report.counts(), 0)


def test_store_that_cannot_be_opened_keeps_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = site.accept("weather", csv(0)), site.accept("river", readings(0))
    open_root = places.open_root

    def opened(settings: Settings, schema_file: Path) -> Node:
        if schema_file.name == "weather.yaml":
            raise AccessDeniedError("the storage refuses these credentials")
        return open_root(settings, schema_file)

    monkeypatch.setattr(places, "open_root", opened)
    report = sweep(site.settings)
    assert (report.processed, report.retried, report.failed) == (1, 1, 0)
    assert report.failures[0].message == "the storage refuses these credentials"
    assert site.states() == {bad: ["accepted"], good: ["processed"]}


def test_crash_of_the_pipeline_in_one_store_is_told_and_keeps_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, merged = site.accept("weather", csv(0)), site.accept("river", readings(0))
    merge = grouping.merge

    def crashes(root: Node, batch: list) -> list:
        if any(one.item.item_id == waiting for one in batch):
            raise RuntimeError("a mistake of ours")
        return merge(root, batch)

    monkeypatch.setattr(grouping, "merge", crashes)
    report = sweep(site.settings)
    assert report.trouble == [f"{site.settings.s3_store_url}: a mistake of ours"]
    assert site.states() == {waiting: ["accepted"], merged: ["processed"]}


def test_old_plan_finds_nothing_to_do(site: Site) -> None:
    site.accept("weather", csv(0))
    (old,) = plan(site.settings)
    sweep(site.settings)
    assert merge_store(site.settings, old) == SweepReport()


def test_items_that_another_sweep_was_quicker_with_are_done(site: Site) -> None:
    ids = [site.accept("weather", csv(number)) for number in range(3)]
    ids.append(site.accept("logger", {"readings": "crash"}))
    with begun(site.settings) as work:
        (taken,) = rounds(work.queue, work.targets, site.queue.items(ItemState.ACCEPTED))
        sweep(site.settings)
        before = site.states()
        (group,) = taken.groups
        again = total(settled(work, group))
    assert (again.duplicates, again.gone, again.processed, again.failed) == (3, 1, 0, 0)
    assert site.states() == before
    outcome = site.metadata(ids[0]).outcome
    assert outcome is not None
    assert outcome.rows == 3


def test_many_rounds_end_like_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 7)
    good, bad = accept_forty_plain(site)
    waits = site.accept("weather", csv(50), retry_at=datetime.now(UTC) + timedelta(hours=1))
    steps: list[tuple[int, int]] = []
    report = sweep(site.settings, on_progress=lambda done, size: steps.append((done, size)))
    assert (report.processed, report.failed) == (len(good), len(bad))
    assert steps[-1] == (len(good) + len(bad) + 1, len(good) + len(bad) + 1)
    assert_holds(site.dataset("weather.yaml", "station"), set(range(10)))
    ends = dict.fromkeys(good, "processed") | dict.fromkeys(bad, "failed") | {waits: "accepted"}
    assert site.states() == {item_id: [state] for item_id, state in ends.items()}


def accept_forty_plain(site: Site) -> tuple[list[str], list[str]]:
    good = [site.accept("weather", csv(number)) for number in range(10)]
    good += [site.accept("river", readings(number)) for number in range(10)]
    bad = [site.accept("weather", csv(number), schema_name="vanished.yaml") for number in range(10)]
    return good, bad + [site.accept("logger", {"no readings": 0}) for _ in range(10)]


def test_of_a_long_queue_one_round_is_known_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 5)
    for number in range(23):
        site.accept("weather", csv(number, rows=1))
    known, most, place = 0, 0, rounding.place

    def placed(*arguments: Any) -> Any:
        nonlocal known
        known += 1
        return place(*arguments)

    def progress(done: int, _size: int) -> None:
        nonlocal most
        most = max(most, known - done)

    monkeypatch.setattr(rounding, "place", placed)
    assert sweep(site.settings, on_progress=progress).processed == known == 23
    assert most == 5


def test_troubled_store_is_left_alone_in_later_rounds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "ROUND_ITEMS", 2)
    merged = [site.accept("river", readings(number)) for number in range(3)]
    waiting = [site.accept("weather", csv(number)) for number in range(5)]
    merge = grouping.merge

    def crashes(root: Node, batch: list) -> list:
        if any(one.item.item_id in waiting for one in batch):
            raise RuntimeError("a mistake of ours")
        return merge(root, batch)

    monkeypatch.setattr(grouping, "merge", crashes)
    assert sweep(site.settings).trouble == [f"{site.settings.s3_store_url}: a mistake of ours"]
    ends = dict.fromkeys(merged, "processed") | dict.fromkeys(waiting, "accepted")
    assert site.states() == {item_id: [state] for item_id, state in ends.items()}


def test_progress_ends_at_the_number_of_items(site: Site) -> None:
    for number in range(3):
        site.accept("weather", csv(number))
    site.accept("river", readings(0), schema_name="vanished.yaml")
    steps: list[tuple[int, int]] = []
    sweep(site.settings, on_progress=lambda done, size: steps.append((done, size)))
    assert steps[-1] == (4, 4)
    assert steps == sorted(steps)


def test_random_queues_end_with_every_item_in_one_place(tmp_path: Path) -> None:
    random.seed(7)
    site = build_site(tmp_path)
    for _ in range(30):
        kind = random.choice(("weather", "river", "logger"))
        number = random.randrange(100)
        broken = random.random() < 0.3
        payload = {
            "weather": csv(number),
            "river": readings(number),
            "logger": {"readings": readings(number)},
        }
        site.accept(kind, "{" if broken else payload[kind])
    report = sweep(site.settings)
    assert report.processed + report.failed == 30
    assert all(len(states) == 1 for states in site.states().values())


RUDE = """
import os, time
import polars as pl

def build(payload, metadata):
    text = payload.decode()
    if text == "exit":
        os._exit(3)
    if text == "hang":
        time.sleep(600)
    if text == "grow":
        held = []
        while True:
            held.append(bytearray(2**24))
    if text == "fork":
        os.fork()
        text = "4"
    number = float(text)
    return pl.DataFrame({"time": [f"2026-11-20T08:0{text}:00Z"], "place": ["a"], "temperature": [number]})
"""


def test_extractor_that_misbehaves_fails_its_own_items_only(tmp_path: Path) -> None:
    site = build_site(tmp_path, extractor_timeout_s=15.0, extractor_memory_bytes=2**28)
    site.write("rude.py", RUDE)
    facts = {"fn_module": "rude", "extract_fn": "build", "content_type": "application/octet-stream"}
    texts = ("1", "exit", "2", "hang", "grow", "3", "fork")
    ids = {text: site.accept("logger", text, **facts) for text in texts}
    report = sweep(site.settings)
    kinds = ["extractor_exit", "extractor_timeout", "extractor_memory"]
    assert [one.kind for one in report.failures] == kinds
    found = site.dataset("weather.yaml", "logger")["temperature"].values.ravel().tolist()
    assert found == [1.0, 2.0, 3.0, 4.0]
    assert [site.error(ids[text])[0] for text in ("exit", "hang", "grow")] == kinds


def test_sweep_notes_when_it_ended_and_what_it_did(any_site: Site) -> None:
    any_site.accept("weather", csv(0))
    any_site.accept("weather", "time,place\n1,2,3\n")
    before = datetime.now(UTC)
    sweep(any_site.settings, dag_run_id="run")
    noted = last_sweep(any_site.queue.storage)
    assert noted is not None
    assert (noted.items, noted.dag_run_id) == ({"processed": 1, "failed": 1}, "run")
    assert before <= noted.ended_at <= datetime.now(UTC)


def test_sweep_over_an_empty_queue_notes_its_end_too(site: Site) -> None:
    sweep(site.settings)
    noted = last_sweep(site.queue.storage)
    assert noted is not None
    assert noted.items == {}


def test_sweep_of_some_endpoints_only_says_nothing_about_the_queue(site: Site) -> None:
    sweep(site.settings, endpoints=["weather"])
    assert last_sweep(site.queue.storage) is None
