from __future__ import annotations

import gzip
import ipaddress
import threading
import time
from email.utils import formatdate

import pytest

from services.ingress_service.scrapper import addresses
from services.ingress_service.scrapper.addresses import is_public
from services.ingress_service.scrapper.errors import (
    AddressRefusedError,
    AnswerTooLargeError,
    FetchError,
    FetchUnavailableError,
)
from services.ingress_service.scrapper.fetch import Answer, fetch
from services.ingress_service.scrapper.requests import FetchRequest
from services.ingress_service.scrapper.retries import MAX_PAUSE_S, Limits, retrying
from tests.ingress.scrapper_site import CSV, drip, hang_up, running_site
from tests.rigs.ports import refusing_port
from tests.rigs.waiting import PATIENCE_S

LIMITS = Limits(timeout_s=PATIENCE_S, max_bytes=10_000, attempts=4, backoff_s=0.01)
HERE = ("127.0.0.1", "localhost")


def get(url: str, limits: Limits = LIMITS, headers=(), allowed=HERE) -> Answer:
    return fetch(FetchRequest(url, headers=tuple(headers)), limits, allow_private_hosts=allowed)


def redirect(target: str, status: int = 302):
    return status, {"Location": target}, b""


def test_answer_has_bytes_and_type(site):
    answer = get(f"{site.url}/data.csv?key=1")
    assert (answer.body.read(), answer.content_type) == (CSV, "text/csv")
    assert site.requests[0][0] == "/data.csv?key=1"


def test_headers_are_sent(site):
    get(f"{site.url}/data.csv", headers=[("X-Key", "abc"), ("User-Agent", "mine")])
    sent = site.requests[0][1]
    assert (sent["x-key"], sent["user-agent"]) == ("abc", "mine")
    assert sent["host"] == f"127.0.0.1:{site.server_port}"


def test_compressed_answers_are_unpacked(site):
    site.replies["/z"] = (200, {"Content-Type": "text/csv", "Content-Encoding": "gzip"}, gzip.compress(CSV))
    assert get(f"{site.url}/z").body.read() == CSV


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
def test_other_answers_are_final(site, status):
    site.replies["/x"] = (status, {}, b"")
    with pytest.raises(FetchError, match=str(status)) as caught:
        get(f"{site.url}/x?token=hidden")
    assert not caught.value.retryable
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_overload_is_retryable(site, status):
    site.replies["/x"] = (status, {}, b"")
    with pytest.raises(FetchUnavailableError, match=str(status)) as caught:
        get(f"{site.url}/x")
    assert caught.value.retryable
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize(
    ("header", "asked_s"),
    [("7", 7), ("99999", 99999), ("-5", None), ("soon", None), (formatdate(0, usegmt=True), 0)],
)
def test_retry_after_is_read(site, header, asked_s):
    site.replies["/x"] = (503, {"Retry-After": header}, b"")
    with pytest.raises(FetchUnavailableError) as caught:
        get(f"{site.url}/x")
    assert caught.value.retry_after_s == asked_s


def test_retry_after_may_be_a_date(site):
    site.replies["/x"] = (503, {"Retry-After": formatdate(time.time() + 100, usegmt=True)}, b"")
    with pytest.raises(FetchUnavailableError) as caught:
        get(f"{site.url}/x")
    assert 60 < caught.value.retry_after_s <= 100


def test_too_large_answers_are_cut_off(site):
    site.replies["/x"] = (200, {}, b"x" * 10_001)
    with pytest.raises(AnswerTooLargeError):
        get(f"{site.url}/x")


def test_small_bombs_are_too_large_after_unpacking(site):
    site.replies["/x"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 1_000_000))
    with pytest.raises(AnswerTooLargeError):
        get(f"{site.url}/x")


def test_an_endless_drip_ends_at_the_timeout(site):
    site.replies["/x"] = drip
    started = time.monotonic()
    with pytest.raises(FetchUnavailableError, match="longer than"):
        get(f"{site.url}/x", Limits(timeout_s=1.5, max_bytes=10_000))
    assert time.monotonic() - started < PATIENCE_S / 2


@pytest.mark.parametrize("reply", [hang_up, (200, {"Content-Length": "9"}, b"")])
def test_broken_answers_are_retryable(site, reply):
    site.replies["/x"] = reply
    with pytest.raises(FetchUnavailableError):
        get(f"{site.url}/x", Limits(timeout_s=PATIENCE_S, max_bytes=100))


def test_broken_compression_is_final(site):
    site.replies["/x"] = (200, {"Content-Encoding": "gzip"}, b"no gzip")
    with pytest.raises(FetchError) as caught:
        get(f"{site.url}/x")
    assert not caught.value.retryable


def test_nobody_listening_is_retryable():
    with refusing_port() as port, pytest.raises(FetchUnavailableError):
        get(f"http://127.0.0.1:{port}/x")


def test_unknown_hosts_are_retryable():
    with pytest.raises(FetchUnavailableError, match="cannot be resolved"):
        get("http://no-such-host.invalid/x")


def test_redirects_are_followed_on_the_same_host(site):
    site.replies["/a"] = redirect("/b")
    site.replies["/b"] = redirect(f"{site.url}/data.csv", 307)
    assert get(f"{site.url}/a", headers=[("X-Key", "abc")]).body.read() == CSV
    assert [headers.get("x-key") for _, headers in site.requests] == ["abc", "abc", "abc"]


def test_headers_do_not_follow_to_another_host(site):
    with running_site() as other:
        site.replies["/a"] = redirect(f"{other.url}/data.csv")
        assert (
            get(f"{site.url}/a", headers=[("X-Key", "abc"), ("Authorization", "Bearer x")]).body.read() == CSV
        )
        sent = other.requests[0][1]
        assert "x-key" not in sent
        assert "authorization" not in sent


def test_endless_redirects_end(site):
    site.replies["/a"] = redirect("/a")
    with pytest.raises(FetchError, match="redirects"):
        get(f"{site.url}/a")
    assert len(site.requests) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/x", "ftp://127.0.0.1/x"])
def test_redirects_to_other_schemes_are_refused(site, target):
    site.replies["/a"] = redirect(target)
    with pytest.raises(FetchError) as caught:
        get(f"{site.url}/a")
    assert not caught.value.retryable


def test_redirects_to_private_hosts_are_refused(site):
    site.replies["/a"] = redirect(f"http://localhost:{site.server_port}/data.csv")
    with pytest.raises(AddressRefusedError):
        get(f"{site.url}/a", allowed=["127.0.0.1"])
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "127.1", "[::1]",
             "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1",
             "100.64.0.1", "[fe80::1]", "[fd00::1]"]
)  # fmt: skip
def test_private_addresses_are_refused_before_any_connection(site, host):
    with pytest.raises(AddressRefusedError):
        get(f"http://{host}:{site.server_port}/data.csv", allowed=[])
    assert site.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True), ("::ffff:10.0.0.1", False),
     ("64:ff9b::808:808", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("224.0.0.1", False),
     ("ff02::1", False), ("::", False), ("255.255.255.255", False), ("198.18.0.1", False),
     ("fec0::1", False), ("::127.0.0.1", False), ("::ffff:0:127.0.0.1", False), ("64:ff9b:1::7f00:1", False)],
)  # fmt: skip
def test_what_counts_as_public(address, public):
    assert is_public(ipaddress.ip_address(address)) is public


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    found = [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("10.0.0.1")]
    monkeypatch.setattr(addresses, "resolve", lambda _host, _port: found)
    with pytest.raises(AddressRefusedError, match=r"rebind\.example"):
        get("http://rebind.example/x")


def test_the_checked_address_is_the_one_connected_to(site, monkeypatch):
    asked = []

    def resolve_once(host, _port):
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1")] if len(asked) == 1 else [ipaddress.ip_address("10.0.0.1")]

    monkeypatch.setattr(addresses, "resolve", resolve_once)
    url = f"http://data.example:{site.server_port}/data.csv"
    assert get(url, allowed=["DATA.example"]).body.read() == CSV
    assert asked == ["data.example"]
    assert site.requests[0][1]["host"] == f"data.example:{site.server_port}"


def attempts(limits, outcomes, stopping=None):
    """Runs the policy over scripted outcomes; returns how often it tried, and the pauses it made."""
    stopping = stopping or threading.Event()
    calls, pauses = [], []

    def act():
        outcome = outcomes[min(len(calls), len(outcomes) - 1)]
        calls.append(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    policy = retrying(limits, stopping).copy(sleep=pauses.append)
    try:
        policy(act)
    except FetchError:
        return len(calls), pauses, "failed"
    return len(calls), pauses, "done"


def test_transient_trouble_is_retried_with_growing_pauses():
    trouble = FetchUnavailableError("503")
    count, pauses, result = attempts(Limits(1, 1, attempts=4, backoff_s=1), [trouble, trouble, trouble, "ok"])
    assert (count, result) == (4, "done")
    assert 1 <= pauses[0] <= 2 <= pauses[1] <= 3 < 4 <= pauses[2] <= 5


def test_retries_end():
    assert attempts(LIMITS, [FetchUnavailableError("503")])[::2] == (4, "failed")


def test_final_answers_are_not_retried():
    assert attempts(LIMITS, [FetchError("404")]) == (1, [], "failed")


def test_retry_after_is_honoured():
    _, pauses, _ = attempts(LIMITS, [FetchUnavailableError("429", retry_after_s=17), "ok"])
    assert pauses == [17]


def test_a_host_that_wants_to_be_left_alone_for_long_is_not_asked_again():
    trouble = FetchUnavailableError("429", retry_after_s=MAX_PAUSE_S + 1)
    assert attempts(LIMITS, [trouble, "ok"]) == (1, [], "failed")


def test_stopping_ends_retries_at_once():
    stopping = threading.Event()
    stopping.set()
    assert attempts(LIMITS, [FetchUnavailableError("503")], stopping)[0] == 1
