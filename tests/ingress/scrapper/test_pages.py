"""Answers that come in pages."""

from __future__ import annotations

import json

from tests.ingress.scrapper_rig import Rig
from tests.ingress.scrapper_site import Site
from tests.ingress.scrapper_sun import CSV_TYPE, configure


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
