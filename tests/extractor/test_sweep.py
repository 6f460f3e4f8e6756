from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from structlog.testing import capture_logs

from packages.common.last_sweep import last_sweep
from services.extractor_service.sweep import sweep
from tests.extractor.site import NODE, Site, assert_holds, build_site, csv, readings


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
from structlog.testing import capture_logs
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


def test_what_is_doubtful_in_a_schema_is_logged_once(site: Site) -> None:
    site.write(
        "schemas/weather.yaml",
        "".join(
            NODE.format(name=name).replace("unit: degC,", "unit: C," if name == "station" else "unit: degC,")
            for name in ("station", "logger", "forecast")
        ),
    )
    site.accept("weather", csv(1))
    site.accept("weather", csv(2))
    with capture_logs() as logs:
        assert sweep(site.settings).processed == 2
    assert sum("is a coulomb" in str(line.get("reason")) for line in logs) == 1
