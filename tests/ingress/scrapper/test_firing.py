from __future__ import annotations

import bz2
import ipaddress
import json
import threading
import time
from dataclasses import replace
from email.utils import formatdate

import pytest

from services.ingress_service.scrapper import addresses
from services.ingress_service.scrapper.payload_type import payload_type
from tests.ingress.scrapper_rig import LIMITS, Rig
from tests.ingress.scrapper_site import CSV, Site, endless
from tests.ingress.scrapper_sun import CSV_TYPE, TARGET, configure, configure_rows
from tests.rigs.waiting import PATIENCE_S


def test_no_row_drops_another(rig: Rig, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = (500, {}, b"")
    site.replies |= {
        "/good": (200, CSV_TYPE, CSV),
        "/slow": [(429, {"Retry-After": "1"}, b""), (200, CSV_TYPE, CSV)],
        "/date": [
            (429, {"Retry-After": formatdate(time.time() - 9, usegmt=True)}, b""),
            (200, CSV_TYPE, CSV),
        ],
        "/twice": [failure, failure, (200, CSV_TYPE, CSV)],
        "/wrong": (200, {"Content-Type": "text/html"}, b"<p>"),
        "/other": (200, CSV_TYPE, b"a,b\n1,2\n"),
        "/endless": endless,
        "/away": (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
    }
    names = ["good", "slow", "date", "twice", "gone", "wrong", "other", "endless", "away"]
    configure_rows(rig, site, names)
    started = time.monotonic()
    firing = rig.fire()
    assert time.monotonic() - started > 1
    states = {run.row.removeprefix("path="): (run.state, run.kind) for run in firing.runs}
    assert states == {
        **dict.fromkeys(("good", "slow", "date", "twice"), ("accepted", None)),
        "gone": ("failed", "fetch_not_found"),
        "wrong": ("failed", "unsupported_type"),
        "other": ("failed", "columns_missing"),
        "endless": ("failed", "fetch_too_large"),
        "away": ("failed", "fetch_address"),
    }
    asked = [path for path, _ in site.requests]
    assert {name: asked.count(f"/{name}") for name in names} == {
        **dict.fromkeys(names, 1),
        "slow": 2,
        "date": 2,
        "twice": 3,
    }
    assert sorted(metadata.dataframe_row["path"] for metadata, _ in rig.items()) == sorted(names[:4])
    status = rig.scheduler().status()[0]
    assert [(run.row, run.kind) for run in status.requests if run.state == "failed"] == [
        (f"path={name}", states[name][1]) for name in sorted(["away", "endless", "gone", "other", "wrong"])
    ]


def test_rows_may_be_fetched_side_by_side(rig: Rig, site: Site) -> None:
    gate = threading.Barrier(3, timeout=PATIENCE_S)

    def together(handler) -> None:
        gate.wait()
        handler.send(200, CSV_TYPE, CSV)

    site.replies |= dict.fromkeys(("/a", "/b", "/c"), together)
    configure_rows(rig, site, ["a", "b", "c"], ", concurrency: 3")
    assert rig.fire().counts == {"accepted": 3}


def test_a_name_that_changes_its_answer_is_resolved_once(rig: Rig, site: Site, monkeypatch) -> None:
    answers = [[ipaddress.ip_address("127.0.0.1")], [ipaddress.ip_address("169.254.169.254")]]
    connected = []
    pinned = addresses._pinned

    def note(request, host, address):
        connected.append((host, str(address)))
        return pinned(request, host, address)

    monkeypatch.setattr(addresses, "resolve", lambda _host, _port: answers.pop(0))
    monkeypatch.setattr(addresses, "_pinned", note)
    rig.configure(
        f"  - {{name: sun, {TARGET.replace('127.0.0.1', 'data.example')},"
        f" url: 'http://data.example:{site.server_port}/data.csv', skip_unchanged: false}}\n"
    )
    assert rig.fire().counts == {"accepted": 1}
    assert connected == [("data.example", "127.0.0.1")]


def test_an_unreachable_address_is_followed_by_the_next(rig: Rig, site: Site, monkeypatch) -> None:
    found = [ipaddress.ip_address("127.0.0.9"), ipaddress.ip_address("127.0.0.1")]
    monkeypatch.setattr(addresses, "resolve", lambda _host, _port: found)
    configure(rig, site)
    assert rig.fire().counts == {"accepted": 1}


@pytest.mark.parametrize(
    "marks", [{"ETag": '"v1"'}, {"Last-Modified": "Fri, 20 Nov 2026 08:00:00 GMT"}, {}], ids=str
)
def test_an_unchanged_answer_is_noted_and_not_queued(rig: Rig, site: Site, marks: dict[str, str]) -> None:
    def reply(handler) -> None:
        known = handler.headers.get("If-None-Match") or handler.headers.get("If-Modified-Since")
        handler.send(304, {}, b"") if known else handler.send(200, CSV_TYPE | marks, CSV)

    site.replies["/data.csv"] = reply
    configure(rig, site)
    states = []
    for _ in range(3):
        states += [
            run.state for run in rig.fire().runs
        ]  # each time another process, with no memory of its own
        rig.clock.now = rig.clock.now.replace(minute=rig.clock.now.minute + 1)
    assert states == ["accepted", "unchanged", "unchanged"]
    assert len(rig.items()) == 1
    assert rig.scheduler().status()[0].firings[0].counts == {"unchanged": 1}
    site.replies["/data.csv"] = (200, CSV_TYPE, CSV + b"2026-11-20T09:00:00Z,2\n")
    assert rig.fire().counts == {"accepted": 1}


def test_an_answer_that_was_refused_is_no_reason_to_skip_it_later(rig: Rig, site: Site) -> None:
    site.replies["/data.csv"] = (200, {"Content-Type": "text/html", "ETag": '"v1"'}, CSV)
    configure(rig, site)
    assert rig.fire().counts == {"failed": 1}
    configure(rig, site, more=", content_type: text/csv")
    rig.clock.now = rig.clock.now.replace(minute=59)
    assert rig.fire().counts == {"accepted": 1}


def test_unchanged_answers_are_queued_where_asked(rig: Rig, site: Site) -> None:
    configure(rig, site, more=", skip_unchanged: false")
    for minute in (1, 2):
        rig.clock.now = rig.clock.now.replace(minute=minute)
        assert rig.fire().counts == {"accepted": 1}


def test_the_charset_of_an_answer_is_kept(rig: Rig, site: Site) -> None:
    data = "time,value,name\n2026-11-20T08:00:00Z,1.5,Děčín\n".encode("iso-8859-2")
    site.replies["/data.csv"] = (200, {"Content-Type": "text/csv; charset=ISO-8859-2"}, data)
    configure(rig, site)
    assert rig.fire().counts == {"accepted": 1}
    ((metadata, payload),) = rig.items()
    assert (metadata.content_type, payload) == ("text/csv; charset=iso-8859-2", data)


@pytest.mark.parametrize(
    ("configured", "declared", "url", "expected"),
    [
        (None, "application/json; charset=utf-8", "http://x/a.csv", "application/json; charset=utf-8"),
        (None, "application/octet-stream", "http://x/a_%7B.grb.bz2?x=.csv", "application/x-grib"),
        (None, "text/plain", "http://x/a.csv", "text/csv"),
        (None, "text/plain", "http://x/a", "text/plain"),
        (None, "", "http://x/a", "application/json"),
        ("text/csv", "application/json", "http://x/a", "text/csv"),
    ],
)
def test_what_an_answer_is_taken_for(configured, declared, url, expected) -> None:
    assert payload_type(configured, declared, url) == expected


def test_a_post_sends_its_body(rig: Rig, site: Site) -> None:
    request = f"{{method: POST, url: '{site.url}/data.csv', body: {{site: '{{site}}'}}}}"
    render = "render: [{name: site, source: const, value: 'a\"b'}]"
    rig.configure(f"  - {{name: sun, {TARGET}, request: {request}, {render}}}\n")
    assert rig.fire().counts == {"accepted": 1}
    assert [json.loads(body) for body in site.bodies] == [{"site": 'a"b'}]


def test_a_stop_ends_after_the_request_under_way(rig: Rig, site: Site) -> None:
    configure_rows(rig, site, ["a", "b", "c"])
    scheduler = rig.scheduler()

    def last_words(handler) -> None:
        scheduler._job.stop()
        handler.send(200, CSV_TYPE, CSV)

    site.replies["/a"] = last_words
    firing = scheduler.run_now("sun")
    assert (firing.counts, firing.complete) == ({"accepted": 1}, False)
    assert len(site.requests) == 1


def test_the_time_of_one_scraper_may_be_shorter(rig: Rig, site: Site) -> None:
    release = threading.Event()
    site.replies["/data.csv"] = lambda handler: release.wait(PATIENCE_S)
    rig.limits = replace(LIMITS, attempts=1)
    configure(rig, site, more=", timeout_s: 0.2")
    started = time.monotonic()
    (run,) = rig.fire().runs
    release.set()
    assert run.kind == "fetch_unavailable"
    assert time.monotonic() - started < PATIENCE_S / 2


def test_packed_grib_is_kept_as_it_came(rig: Rig, site: Site) -> None:
    packed = bz2.compress(b"GRIB" + bytes(100))
    site.replies["/a.grb.bz2"] = (200, {"Content-Type": "application/x-bzip2"}, packed)
    configure(rig, site, "/a.grb.bz2", ", extract_fn: f, fn_module: m")
    scheduler = rig.scheduler()
    scheduler._job._scraping._check = lambda _scrapper, content_type, _data: content_type
    assert scheduler.run_now("sun").counts == {"accepted": 1}
    ((metadata, payload),) = rig.items()
    assert (metadata.content_type, metadata.content_encoding, payload) == (
        "application/x-grib",
        "bzip2",
        packed,
    )
