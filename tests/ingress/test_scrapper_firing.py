from __future__ import annotations

import base64
import bz2
import ipaddress
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from packages.common.errors import ConfigurationError
from services.ingress_service.scrapper import addresses
from services.ingress_service.scrapper.credentials import clear_text, credentials_of
from services.ingress_service.scrapper.errors import FetchUnavailableError
from services.ingress_service.scrapper.limits import HostLimits
from services.ingress_service.scrapper.payload_type import payload_type
from tests.ingress.scrapper_rig import LIMITS, Rig, rig_at
from tests.ingress.scrapper_site import CSV, Site, endless, running_site
from tests.rigs.waiting import PATIENCE_S

CSV_TYPE = {"Content-Type": "text/csv"}
TARGET = "cron: '0 * * * *', schema_name: sun.yaml, target_node: sun, allow_private_hosts: [127.0.0.1]"


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as started:
        yield started


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return rig_at(tmp_path)


def configure(rig: Rig, site: Site, path: str = "/data.csv", more: str = "") -> None:
    rig.configure(f"  - {{name: sun, {TARGET}, url: '{site.url}{path}'{more}}}\n")


def configure_rows(rig: Rig, site: Site, paths: list[str], more: str = "") -> None:
    """A scraper with one request for each path."""
    rig.write("frames/paths.csv", "path\n" + "".join(f"{path}\n" for path in paths))
    rows = "{name: row, source: dataframe, dataframe_path: frames/paths.csv, outputs: {path: path}}"
    request = f"{{url: '{site.url}/{{path}}'}}"
    rig.configure(f"  - {{name: sun, {TARGET}, request: {request}, iterate: [{rows}]{more}}}\n")


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


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("{username: u, password_env: PW}", "authorization", "Basic " + base64.b64encode(b"u:s3").decode()),
        (
            "{username_env: U, password_env: PW}",
            "authorization",
            "Basic " + base64.b64encode(b"v:s3").decode(),
        ),
        ("{bearer_env: PW}", "authorization", "Bearer s3"),
        ("{headers_env: {X-Api-Key: PW}}", "x-api-key", "s3"),
    ],
)
def test_credentials_come_from_the_environment(rig: Rig, site: Site, auth, header, value) -> None:
    rig.environment.update({"PW": "s3", "U": "v"})
    with running_site() as other:
        site.replies["/data.csv"] = (307, {"Location": f"{other.url}/data.csv"}, b"")
        configure(rig, site, more=f", auth: {auth}")
        assert rig.fire().counts == {"accepted": 1}
        assert site.requests[0][1][header] == value
        assert header not in other.requests[0][1]
    record = rig.queue.storage.get("scrappers/sun.json")
    assert b"s3" not in record


def test_an_absent_variable_is_named(rig: Rig, site: Site) -> None:
    configure(rig, site, more=", auth: {bearer_env: NOT_THERE}")
    job = rig.scheduler()._jobs["sun"]
    with pytest.raises(ConfigurationError, match="no NOT_THERE"):
        credentials_of(job.scrapper, {})
    (run,) = rig.fire().runs
    assert (run.kind, site.requests) == ("configuration", [])


def test_secrets_in_clear_text_are_warned_of(rig: Rig, site: Site) -> None:
    headers = (
        "headers: [{header_name: Authorization, header_value: x}, {header_name: Accept, header_value: y}]"
    )
    configure(rig, site, "/data.csv?apikey=1&q=2", f", {headers}")
    warnings = clear_text(rig.scheduler()._jobs["sun"].scrapper)
    assert [warning.split()[2] for warning in warnings] == ["Authorization", "apikey"]


def page(number: int, **more: object) -> bytes:
    return json.dumps(
        {"data": {"time": [f"2026-11-20T0{number}:00:00Z"], "value": [number]}, **more}
    ).encode()


def row(number: int) -> bytes:
    return f"time,value\n2026-11-20T0{number}:00:00Z,{number}\n".encode()


def test_pages_follow_the_link_in_the_header(rig: Rig, site: Site) -> None:
    site.replies |= {
        "/p1": (200, CSV_TYPE | {"Link": '</p2?cursor=x>; rel="next"'}, row(1)),
        "/p2": (200, CSV_TYPE | {"Link": f'<{site.url}/p3>; rel="next"'}, row(2)),
        "/p3": (200, CSV_TYPE, row(3)),
    }
    configure(rig, site, "/p1", ", pagination: {next: link}")
    assert [(run.page, run.state) for run in rig.fire().runs] == [
        (1, "accepted"),
        (2, "accepted"),
        (3, "accepted"),
    ]
    assert [payload for _, payload in sorted(rig.items(), key=lambda one: one[1])] == [row(1), row(2), row(3)]


def test_pages_follow_the_link_in_the_answer_and_replicas_agree_on_them(rig: Rig, site: Site) -> None:
    cursors = iter(range(100))

    def first(handler) -> None:
        handler.send(200, {"Content-Type": "application/json"}, page(1, next=f"p2?cursor={next(cursors)}"))

    site.replies |= {"/p1": first, "/p2": (200, {"Content-Type": "application/json"}, page(2, next=None))}
    more = ", pagination: {next: $.next}, skip_unchanged: false, extract_fn: f, fn_module: m"
    configure(rig, site, "/p1", more)
    states = [[run.state for run in rig.fire().runs] for _ in range(2)]
    assert states == [["accepted", "accepted"], ["duplicate", "duplicate"]]
    assert len(rig.items()) == 2


def test_pages_are_counted_up_to_the_first_empty_one(rig: Rig, site: Site) -> None:
    def reply(handler) -> None:
        number = int(handler.path.rpartition("=")[2])
        handler.send(200, CSV_TYPE, row(number) if number < 3 else b"time,value\n")

    site.replies["/data.csv"] = reply
    configure(rig, site, "/data.csv?size=9", ", pagination: {page_param: page, first_page: 0}")
    assert [run.state for run in rig.fire().runs] == ["accepted"] * 3
    assert [path for path, _ in site.requests] == [f"/data.csv?size=9&page={number}" for number in range(4)]


def test_a_server_that_knows_no_pages_makes_one_item(rig: Rig, site: Site) -> None:
    configure(rig, site, more=", pagination: {page_param: page}")
    assert [run.state for run in rig.fire().runs] == ["accepted"]
    assert len(rig.items()) == 1
    assert len(site.requests) == 2


def test_pages_without_end_and_pages_that_fail(rig: Rig, site: Site) -> None:
    site.replies |= {
        "/p1": (200, CSV_TYPE | {"Link": "</p1b>; rel=next"}, row(1)),
        "/p1b": (200, CSV_TYPE | {"Link": "</p1>; rel=next"}, row(2)),
    }
    configure(rig, site, "/p1", ", pagination: {next: link, max_pages: 2}")
    runs = rig.fire().runs
    assert [run.state for run in runs] == ["accepted", "accepted", "failed"]
    assert "more than 2 pages" in runs[-1].reason
    site.replies["/p1"] = (200, CSV_TYPE | {"Link": "<http://169.254.169.254/x>; rel=next"}, row(4))
    rig.clock.now = rig.clock.now.replace(minute=30)
    assert [run.kind for run in rig.fire().runs] == [None, "fetch_address"]


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


class Ticking:
    """A clock that moves by what is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def begins(limits: HostLimits, clock: Ticking, rates: list[float | None], host: str = "x") -> list[float]:
    times = []
    for rate in rates:
        with limits.turn(host, rate, clock):
            times.append(round(clock.now - 1000, 2))
    return times


def test_requests_to_one_host_keep_their_distance() -> None:
    clock = Ticking()
    limits = HostLimits(1, 10.0, clock)
    assert begins(limits, clock, [None] * 3) == [0.0, 0.1, 0.2]
    assert begins(limits, clock, [None], host="y") == [0.2]


def test_the_strictest_scraper_of_a_host_sets_its_pace() -> None:
    clock = Ticking()
    limits = HostLimits(1, 10.0, clock)
    assert begins(limits, clock, [0.5, None, None]) == [0.0, 2.0, 4.0]


def test_a_host_that_asked_for_a_pause_gets_it() -> None:
    clock = Ticking()
    limits = HostLimits(1, 1000.0, clock)
    limits.hold("x", 30)
    assert begins(limits, clock, [None]) == [30.0]
    limits.hold("x", 3600)
    with pytest.raises(FetchUnavailableError, match="3600 s"):
        begins(limits, clock, [None])
    assert begins(limits, clock, [None], host="y") == [30.0]


def test_only_so_many_requests_go_to_one_host_at_once() -> None:
    limits = HostLimits(2, 1_000_000.0)
    stopping, inside, most = threading.Event(), [], []
    pair = threading.Barrier(2, timeout=PATIENCE_S)

    def ask() -> None:
        with limits.turn("x", None, stopping):
            inside.append(1)
            most.append(len(inside))
            pair.wait()
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (8, 2)


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
