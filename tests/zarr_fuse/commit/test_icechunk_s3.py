"""A repository in a bucket: on moto by default, on a real Ceph RGW where that is asked for."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import icechunk
import pytest

from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY
from tests.zarr_fuse.icechunk_stores import ICE, SIMPLE, column, contents, merge
from zarr_fuse import open_store, remove_store
from zarr_fuse.commit.icechunk_storage import icechunk_storage, repository_config
from zarr_fuse.errors import AccessDeniedError, OptionError, StorageError, StoreNotFoundError
from zarr_fuse.options import resolve_options
from zarr_fuse.storage.location import locate

KEYS = {"S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "hush"}


def test_store_in_a_bucket_is_opened_extended_rolled_back_and_removed(bucket):
    root = open_store(SIMPLE, **bucket.options(**ICE))
    merge(root, 0, 1, "a")
    other = open_store(None, **bucket.options())
    merge(other, 1, 2, "b")
    merge(root, 9, 3, "c")
    assert contents(other) == {0: 1.0, 1: 2.0, 2: 2.0, 9: 3.0, 10: 3.0}
    newest, older = root.history()[:2]
    assert contents(open_store(None, AS_OF=older.snapshot, **bucket.options())) == {0: 1.0, 1: 2.0, 2: 2.0}
    other.rollback(newest.snapshot)
    assert root.ledger.contains(["a", "b", "c"]) == {"a", "b"}
    remove_store(None, **bucket.options())
    with pytest.raises(StoreNotFoundError):
        open_store(None, **bucket.options())
    assert not root._store.objects.keys("")


def test_writers_that_meet_are_both_merged(bucket):
    mine, other = open_store(SIMPLE, **bucket.options(**ICE)), open_store(SIMPLE, **bucket.options(**ICE))
    with mine.transaction(item_ids=["mine"]) as transaction:
        transaction["n"].update(column(0, 1))
        merge(other, 1, 2, "other")
    assert contents(other) == {0: 1.0, 1: 1.0, 2: 2.0}
    assert other.ledger.contains(["mine", "other"]) == {"mine", "other"}


@pytest.mark.rgw
@pytest.mark.parametrize("bucket", ["rgw"], indirect=True)
def test_racing_writers_lose_nothing(bucket):
    open_store(SIMPLE, **bucket.options(**ICE))

    def write(writer):
        root = open_store(SIMPLE, **bucket.options())
        for step in range(2):
            merge(root, 10 * (step * 8 + writer), writer, f"{writer}/{step}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    root = open_store(None, **bucket.options())
    assert contents(root) == {
        10 * (step * 8 + writer) + more: float(writer)
        for step in range(2)
        for writer in range(8)
        for more in (0, 1)
    }
    assert len(root.ledger.contains([f"{writer}/{step}" for writer in range(8) for step in range(2)])) == 16


@pytest.mark.rgw
@pytest.mark.parametrize("bucket", ["rgw"], indirect=True)
def test_refused_keys_are_told_from_a_failing_storage(bucket):
    open_store(SIMPLE, **bucket.options(**ICE))
    with pytest.raises(AccessDeniedError):
        open_store(None, **{**bucket.options(), "S3_SECRET_KEY": "wrong"})


def test_keys_come_from_the_environment_where_none_are_given(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    options = {
        key: value
        for key, value in bucket.options(**ICE).items()
        if key not in {"S3_ACCESS_KEY", "S3_SECRET_KEY"}
    }
    root = open_store(SIMPLE, **options)
    merge(root, 0, 1, "a")
    assert contents(root) == {0: 1.0, 1: 1.0}


@pytest.mark.rgw
@pytest.mark.parametrize("bucket", ["rgw"], indirect=True)
def test_gateway_that_stops_in_between_fails_the_update_in_bounded_time(bucket, rgw):
    root = open_store(SIMPLE, **bucket.options(S3_OPTIONS='{"max_retries": 1, "timeout": "2s"}', **ICE))
    merge(root, 0, 1, "seed")
    transaction = root.transaction(item_ids=["item"]).__enter__()
    transaction["n"].update(column(1, 2))
    rgw.stop_gateway()
    started = time.monotonic()
    with pytest.raises(StorageError):
        transaction.__exit__(None, None, None)
    assert time.monotonic() - started < 60
    rgw.start_gateway()
    assert contents(root) == {0: 1.0, 1: 1.0}
    merge(root, 1, 2, "item")
    assert contents(root) == {0: 1.0, 1: 2.0, 2: 2.0}


def settings(monkeypatch, url="s3://hydro/a/river.zarr", **options):
    found = {}
    monkeypatch.setattr(icechunk, "s3_storage", lambda **given: found.update(given))
    resolved = resolve_options({"STORE_URL": url, **KEYS, **options}, {})
    icechunk_storage(locate(resolved), resolved)
    return found


def test_settings_are_those_of_the_other_format(monkeypatch):
    found = settings(
        monkeypatch,
        S3_ENDPOINT_URL="http://objects.example.net",
        S3_OPTIONS=json.dumps({"region": "eu-north-1", "read_timeout": 7, "token": "once"}),
    )
    assert found == {
        "bucket": "hydro",
        "prefix": "a/river.zarr",
        "region": "eu-north-1",
        "endpoint_url": "http://objects.example.net",
        "allow_http": True,
        "force_path_style": True,
        "network_stream_timeout_seconds": 7,
        "requester_pays": False,
        "access_key_id": "key",
        "secret_access_key": "hush",
        "session_token": "once",
    }


def test_virtual_hosts_and_the_default_service(monkeypatch):
    style = json.dumps({"config_kwargs": {"s3": {"addressing_style": "virtual"}}})
    found = settings(monkeypatch, S3_ENDPOINT_URL="https://objects.example.net", S3_OPTIONS=style)
    assert (found["endpoint_url"], found["force_path_style"]) == ("https://objects.example.net", False)
    found = settings(monkeypatch)
    assert (found["endpoint_url"], found["region"], found["force_path_style"]) == (None, "us-east-1", False)


def test_public_bucket_needs_no_keys(monkeypatch):
    found = settings(monkeypatch, S3_ACCESS_KEY="", S3_SECRET_KEY="", S3_OPTIONS='{"skip_signature": true}')
    assert found["anonymous"] is True


def test_setting_that_would_be_lost_is_an_error_naming_it(monkeypatch):
    with pytest.raises(OptionError, match="proxy_url"):
        settings(monkeypatch, S3_OPTIONS='{"proxy_url": "http://proxy.example.net"}')
    assert settings(monkeypatch, S3_OPTIONS='{"client_kwargs": {"verify": true}}')


def test_retries_are_those_of_the_other_format():
    options = resolve_options({"STORE_URL": "memory://a", "S3_OPTIONS": '{"max_retries": 2}'}, {})
    retries = repository_config(options).storage.retries
    assert (retries.max_tries, retries.initial_backoff_ms, retries.max_backoff_ms) == (3, 100, 3000)
