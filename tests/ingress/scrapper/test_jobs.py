from __future__ import annotations

import hashlib
import tempfile
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from packages.common.errors import PayloadError, StorageUnavailableError
from packages.common.keys import ItemState
from packages.common.models.configuration_model import Scrapper
from packages.common.queue import Queue
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from packages.common.validation import decode_payload
from services.ingress_service.scrapper import body
from services.ingress_service.scrapper.dialects import read_job
from services.ingress_service.scrapper.jobs import ScrapeJob
from services.ingress_service.scrapper.requests import FetchRequest, item_id_of, public_url, render
from services.ingress_service.scrapper.retries import Limits
from tests.ingress.scrapper_site import CSV, Site
from tests.rigs.waiting import PATIENCE_S

FIRED = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
LIMITS = Limits(timeout_s=PATIENCE_S, max_bytes=10_000, attempts=3, backoff_s=0.001)


@pytest.fixture
def queue(monkeypatch, tmp_path) -> Queue:
    monkeypatch.chdir(tmp_path)
    url = f"memory://{uuid.uuid4().hex}"
    return Queue(ObjectStorage(url, Settings(s3_queue_url=url)))


def scraper(site: Site, path: str = "/data.csv", **more) -> Scrapper:
    settings = {"name": "sun", "schema_name": "sun.yaml", "target_node": "a/b", "cron": "*/15 * * * *"}
    return Scrapper(**{**settings, "url": site.url + path, "allow_private_hosts": ["127.0.0.1"], **more})


def check(_scrapper, content_type, pieces):
    decode_payload(b"".join(pieces), content_type)
    return content_type


def run(queue, scrapper, fired_at=FIRED):
    (done,) = ScrapeJob(queue, check, LIMITS).run(read_job(scrapper), fired_at).runs
    return done


def test_a_scrape_becomes_an_item_with_metadata(site, queue):
    done = run(queue, scraper(site, extract_fn="f", fn_module="m"))
    (item,) = queue.items(ItemState.ACCEPTED)
    assert (done.state, done.reason, done.item_id) == ("accepted", None, item.item_id)
    assert item.item_id.startswith("sun/20261120T081500_")
    assert queue.payload(item) == CSV
    metadata = queue.metadata(item)
    assert (metadata.endpoint_name, metadata.username) == ("sun", "scrapper-sun")
    assert (metadata.schema_name, metadata.target_node, metadata.node_path) == ("sun.yaml", "a/b", "")
    assert (metadata.extract_fn, metadata.fn_module) == ("f", "m")
    assert (metadata.content_type, metadata.size_bytes) == ("text/csv", len(CSV))


def test_the_same_firing_makes_one_item(site, queue):
    assert [run(queue, scraper(site)).state for _ in range(3)] == ["accepted", "duplicate", "duplicate"]
    assert len(list(queue.items(ItemState.ACCEPTED))) == 1
    assert len(site.requests) == 1


def test_replicas_firing_together_make_one_item(site, queue):
    start, states = threading.Barrier(4), []

    def replica():
        job = ScrapeJob(queue, check, LIMITS)
        start.wait()
        states.append(job.run(read_job(scraper(site)), FIRED).runs[0].state)

    threads = [threading.Thread(target=replica) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert len(list(queue.items(ItemState.ACCEPTED))) == 1


def test_another_firing_makes_another_item(site, queue):
    run(queue, scraper(site))
    assert run(queue, scraper(site), FIRED + timedelta(minutes=15)).state == "accepted"
    assert len(list(queue.items(ItemState.ACCEPTED))) == 2


def test_item_ids_depend_on_scraper_time_and_request(site):
    base = scraper(site)
    request = render(read_job(base), FIRED)[0]
    ids = {
        item_id_of("sun", FIRED, request),
        item_id_of("moon", FIRED, request),
        item_id_of("sun", FIRED + timedelta(seconds=1), request),
        item_id_of("sun", FIRED, FetchRequest(request.url + "?x")),
        item_id_of("sun", FIRED, FetchRequest(request.url, headers=(("a", "b"),))),
        item_id_of("sun", FIRED, FetchRequest(request.url, dataframe_row={"site": 1})),
        item_id_of("sun", FIRED, FetchRequest(request.url, method="POST", body=b"x")),
    }
    assert len(ids) == 7
    same = item_id_of("sun", FIRED.astimezone(), FetchRequest(request.url))
    assert item_id_of("sun", FIRED, request) == same


def test_item_ids_are_the_same_in_every_process():
    fixed = Scrapper(name="sun", schema_name="s", cron="* * * * *", url="https://sun.example/x")
    assert item_id_of("sun", FIRED, render(read_job(fixed), FIRED)[0]) == "sun/20261120T081500_b14d59605db8"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ((404, {}, b""), "fetch_not_found"),
        ((403, {}, b""), "fetch"),
        ((200, {"Content-Type": "text/csv"}, b"a,b\n1\n"), "payload"),
        ((200, {"Content-Type": "text/csv"}, b""), "payload_empty"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), "unsupported_type"),
        ((200, {}, CSV), "payload"),
        ((200, {"Content-Type": "text/csv"}, b"x" * 10_001), "fetch_too_large"),
    ],
)
def test_bad_answers_are_refused_with_a_reason_and_stored_nowhere(site, queue, reply, kind):
    site.replies["/x"] = reply
    done = run(queue, scraper(site, "/x"))
    assert (done.state, done.kind) == ("failed", kind)
    assert done.reason
    assert len(site.requests) == 1
    assert list(queue.storage.list("")) == []


def test_overload_is_retried(site, queue):
    site.replies["/x"] = [(503, {}, b""), (429, {}, b""), (200, {"Content-Type": "text/csv"}, CSV)]
    assert run(queue, scraper(site, "/x")).state == "accepted"
    assert len(site.requests) == 3


def test_lasting_overload_fails(site, queue):
    site.replies["/x"] = (503, {}, b"")
    done = run(queue, scraper(site, "/x"))
    assert (done.state, done.kind, len(site.requests)) == ("failed", "fetch_unavailable", 3)


def test_private_hosts_need_to_be_named(site, queue):
    done = run(queue, scraper(site, allow_private_hosts=[]))
    assert (done.state, done.kind, site.requests) == ("failed", "fetch_address", [])


def test_content_type_of_the_configuration_wins(site, queue):
    site.replies["/x"] = (200, {"Content-Type": "text/plain"}, CSV)
    assert run(queue, scraper(site, "/x", content_type="text/csv")).state == "accepted"
    (item,) = queue.items(ItemState.ACCEPTED)
    assert (item.extension, queue.metadata(item).content_type) == ("csv", "text/csv")


def test_storage_trouble_is_retried_without_fetching_again(site, queue, monkeypatch):
    accept_once, calls = queue.accept_once, []

    def failing(*args):
        calls.append(args)
        if len(calls) < 3:
            raise StorageUnavailableError("no answer")
        return accept_once(*args)

    monkeypatch.setattr(queue, "accept_once", failing)
    assert run(queue, scraper(site)).state == "accepted"
    assert (len(calls), len(site.requests)) == (3, 1)


def test_an_unexpected_error_is_reported_and_logged(site, queue):
    def broken(*_args):
        raise RuntimeError("hidden detail")

    (done,) = ScrapeJob(queue, broken, LIMITS).run(read_job(scraper(site)), FIRED).runs
    assert (done.state, done.kind) == ("failed", "internal")
    assert "hidden" not in done.reason


def test_checks_get_what_will_be_stored(site, queue):
    seen = []

    def refusing(scrapper, content_type, pieces):
        seen.append((scrapper.name, content_type, b"".join(pieces)))
        raise PayloadError("row 3 is odd", line=4)

    (done,) = ScrapeJob(queue, refusing, LIMITS).run(read_job(scraper(site)), FIRED).runs
    assert seen == [("sun", "text/csv", CSV)]
    assert done.reason == "row 3 is odd (line 4)"


def test_shown_addresses_have_no_query():
    assert public_url("https://sun.example:8443/x?key=hidden#part") == "https://sun.example:8443/x"
    assert "hidden" not in repr(FetchRequest("https://x", headers=(("Authorization", "hidden"),)))


def test_a_large_answer_goes_through_a_file_that_is_removed(site, queue, monkeypatch, tmp_path):
    monkeypatch.setattr(body, "HELD_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = CSV + b"2026-11-20T09:00:00Z,2\n" * 400
    site.replies |= {
        "/x": (200, {"Content-Type": "text/csv"}, large),
        "/y": (200, {"Content-Type": "text/csv"}, large * 2),
    }
    assert run(queue, scraper(site, "/x")).state == "accepted"
    (item,) = queue.items(ItemState.ACCEPTED)
    assert queue.payload(item) == large
    assert queue.metadata(item).sha256 == hashlib.sha256(large).hexdigest()
    assert run(queue, scraper(site, "/y")).kind == "fetch_too_large"
    assert list(tmp_path.glob("scrape-*")) == []
