from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oci import prepare
from packages.common.settings import Settings
from tests.rigs.ports import refusing_port
from tests.rigs.s3 import Bucket


def settings(endpoint: str, bucket: str = "fresh") -> Settings:
    keys = {"s3_access_key": "key", "s3_secret_key": "secret"}
    return Settings(s3_endpoint_url=endpoint, s3_store_url=f"s3://{bucket}/store.zarr", **keys)


@contextmanager
def answering(*statuses: int) -> Iterator[str]:
    """An S3 that gives these answers in turn, the last one for ever."""
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "PAUSE_S", 0.01)


def test_bucket_is_made_once(moto_bucket: Bucket) -> None:
    wanted = settings(moto_bucket.endpoint)
    prepare.make_bucket(wanted, "fresh")
    prepare.make_bucket(wanted, "fresh")
    with moto_bucket.client() as client:
        assert "fresh" in {found["Name"] for found in client.list_buckets()["Buckets"]}


def test_storage_that_is_not_ready_yet_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(503, 503, 200) as endpoint:
        prepare.make_bucket(settings(endpoint), "fresh")
    said = capsys.readouterr().err
    assert said.count("waiting for the storage") == 1
    assert "503" in said


def test_storage_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "WAIT_S", 0)
    with refusing_port() as port:
        named = rf"did not answer for 0 s: .*http://127\.0\.0\.1:{port}/fresh"
        with pytest.raises(prepare.BucketError, match=named):
            prepare.make_bucket(settings(f"http://127.0.0.1:{port}"), "fresh")


def test_keys_that_are_refused_are_not_tried_again() -> None:
    named = r"^bucket fresh at .*Forbidden.*S3_SECRET_KEY"
    with answering(403, 200) as endpoint, pytest.raises(prepare.BucketError, match=named):
        prepare.make_bucket(settings(endpoint), "fresh")


@pytest.mark.parametrize(("endpoint", "bucket"), [("objects.example.net", "fresh"), ("http://h", "No Name")])
def test_addresses_that_cannot_be_are_refused_at_once(endpoint: str, bucket: str) -> None:
    with pytest.raises(prepare.BucketError, match=rf"(?s)^bucket {bucket} at {endpoint}: .*Invalid"):
        prepare.make_bucket(settings(endpoint, bucket), bucket)


def test_trouble_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(403) as endpoint:
        monkeypatch.setattr(prepare, "load_settings", lambda: settings(endpoint))
        assert prepare.main() == 1
    assert capsys.readouterr().err.startswith("error: bucket fresh at")
