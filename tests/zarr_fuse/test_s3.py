"""The store in a bucket: on moto by default, on a real Ceph RGW where that is asked for."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import xarray as xr
from obstore.store import S3Store
from zarr.storage import ObjectStore

from tests.faults.switch import DiedError
from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY
from tests.zarr_fuse import river
from tests.zarr_fuse.scenarios import SCENARIOS, assert_clean, assert_whole_or_absent, merge, started
from tests.zarr_fuse.storages import FailingS3Store
from zarr_fuse import open_store, remove_store
from zarr_fuse.commit import write_ahead
from zarr_fuse.errors import LeaseHeldError, StorageError
from zarr_fuse.storage.opening import probe_create_only

SIMPLE = {
    "n": {
        "VARS": {"x": {"unit": "m", "coords": "t"}},
        "COORDS": {"t": {"unit": {"tick": "s"}, "chunk_size": 3}},
    }
}


def column(start, value, count=2):
    return pl.DataFrame({"t": list(range(start, start + count)), "x": [float(value)] * count})


def contents(root):
    data = root["n"].dataset.load()
    return dict(zip(data.t.values.astype("datetime64[s]").astype(int).tolist(), data.x.values, strict=True))


def settings(bucket, prefix=None):
    return {
        "prefix": prefix,
        "endpoint": bucket.endpoint,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "region": "us-east-1",
        "virtual_hosted_style_request": False,
        "client_options": {"allow_http": True},
    }


def test_exactly_one_of_racing_creates_wins(bucket):
    assert probe_create_only(S3Store(bucket.name, **settings(bucket)), "probe")


def test_store_in_a_bucket_holds_what_the_rules_of_the_merge_say(bucket):
    root, models = open_store(river.SCHEMA, **bucket.options()), river.models()
    for scenario, updates in SCENARIOS.items():
        merge(root, updates, scenario)
        for path, frame in updates:
            models[path].update(frame)
        if scenario == "late row":
            root = open_store(None, **bucket.options())
    for path, model in models.items():
        assert model.contradicts(root[path].dataset.load()) is None
    assert root.ledger.contains([*SCENARIOS, "another"]) == set(SCENARIOS)


def test_node_in_a_bucket_opens_with_plain_xarray(bucket):
    open_store(SIMPLE, **bucket.options())["n"].update(column(0, 1))
    store = ObjectStore(S3Store(bucket.name, **settings(bucket, "river.zarr")), read_only=True)
    assert xr.open_zarr(store, group="n", consolidated=True, chunks=None).x.values.tolist() == [1.0, 1.0]


def test_removed_store_leaves_nothing_in_the_bucket(bucket):
    open_store(SIMPLE, **bucket.options())["n"].update(column(0, 1))
    remove_store(SIMPLE, **bucket.options())
    assert not [meta for page in S3Store(bucket.name, **settings(bucket)).list() for meta in page]


@pytest.mark.parametrize("writers", [2, 8])
def test_concurrent_writers_lose_nothing_and_end_sorted(bucket, writers):
    open_store(SIMPLE, **bucket.options())
    steps = 5 if bucket.kind == "rgw" else 2

    def write(writer):
        root = open_store(SIMPLE, **bucket.options())
        for step in range(steps):
            with root.transaction(item_ids=[f"{writer}-{step}"]) as transaction:
                transaction["n"].update(column(10 * (step * writers + writer), writer))

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    root = open_store(None, **bucket.options())
    stored = contents(root)
    assert stored == {
        10 * (step * writers + writer) + more: float(writer)
        for step in range(steps)
        for writer in range(writers)
        for more in (0, 1)
    }
    assert list(stored) == sorted(stored)
    ids = {f"{writer}-{step}" for step in range(steps) for writer in range(writers)}
    assert root.ledger.contains(ids) == ids


DYING = """
import os, sys
from zarr_fuse import open_store
from zarr_fuse.commit import lease, process, write_ahead
from tests.zarr_fuse.test_s3 import column

lease.holder = lambda: {**process.holder(), "host": "elsewhere"}
moment, options = sys.argv[1], eval(sys.argv[2])
root = open_store(None, LEASE_TTL_S=5, **options)
if moment == "applying":
    write_ahead.WriteAhead.apply = lambda *_: os._exit(9)
else:
    write_ahead.WriteAhead.commit = lambda *_: os._exit(9)
with root.transaction(item_ids=["item"]) as transaction:
    transaction["n"].update(column(1, 2, count=4))
"""


@pytest.mark.parametrize("moment", ["staging", "applying"])
def test_lease_of_a_dead_process_on_another_host_is_taken_over_when_its_time_is_over(
    bucket, moment, monkeypatch
):
    monkeypatch.setattr(write_ahead, "CALL_TIMEOUT_S", 0.5)
    open_store(SIMPLE, **bucket.options())["n"].update(column(0, 1))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    arguments = [sys.executable, "-W", "ignore", "-c", DYING, moment, repr(bucket.options())]
    assert subprocess.run(arguments, env=environment, check=False).returncode == 9

    impatient = {"LEASE_TTL_S": 5, "LEASE_WAIT_S": 0.1}
    waiting = open_store(None, **bucket.options(), **impatient)
    with pytest.raises(LeaseHeldError, match="elsewhere"):
        waiting["n"].update(column(9, 3))

    root = open_store(None, LEASE_TTL_S=5, **bucket.options())
    committed = moment == "applying"
    assert root.ledger.contains(["item"]) == ({"item"} if committed else set())
    assert contents(root) == ({0: 1, 1: 2, 2: 2, 3: 2, 4: 2} if committed else {0: 1, 1: 1})
    root["n"].update(column(9, 3))
    assert list(contents(root))[-2:] == [9, 10]


@pytest.mark.rgw
@pytest.mark.parametrize("bucket", ["rgw"], indirect=True)
@pytest.mark.parametrize(("fault", "first"), [("before", 1), ("after", 4), ("lost", 7), ("refused", 10)])
@pytest.mark.parametrize("scenario", ["late row", "overwrite and append"])
def test_request_that_dies_leaves_the_transaction_whole_or_absent(
    bucket, scenario, fault, first, monkeypatch, request
):
    make = request.getfixturevalue("survey").__class__

    def fresh():
        survey = make(monkeypatch)
        survey.storage = FailingS3Store(bucket.name, **settings(bucket, uuid.uuid4().hex))
        return survey

    survey = fresh()
    root, _, _ = started(survey, scenario)
    survey.storage.switch.heal()
    merge(root, SCENARIOS[scenario], "item")
    for call in range(first, survey.storage.switch.calls + 1, 12):
        survey = fresh()
        root, before, after = started(survey, scenario)
        survey.storage.switch.plan(call, fault)
        with contextlib.suppress(DiedError, StorageError):
            merge(root, SCENARIOS[scenario], "item")
        survey.restart()
        root = survey.open()
        assert_whole_or_absent(survey, root, scenario, before, after)
        assert_clean(survey)


@pytest.mark.rgw
@pytest.mark.parametrize("bucket", ["rgw"], indirect=True)
def test_gateway_that_stops_in_between_fails_the_update_and_the_next_one_repairs(bucket, rgw, monkeypatch):
    monkeypatch.setattr(write_ahead, "CALL_TIMEOUT_S", 1.0)
    quick = {"S3_OPTIONS": '{"max_retries": 0, "timeout": "5s"}', "LEASE_TTL_S": 3}
    root = open_store(SIMPLE, **bucket.options(**quick))
    root["n"].update(column(0, 1))
    transaction = root.transaction(item_ids=["item"]).__enter__()
    transaction["n"].update(column(1, 2))
    rgw.stop_gateway()
    with pytest.raises(StorageError):
        transaction.__exit__(None, None, None)
    rgw.start_gateway()
    root = open_store(SIMPLE, **bucket.options(**quick))
    assert contents(root) == {0: 1, 1: 1}
    assert root.ledger.contains(["item"]) == set()
    root["n"].update(column(1, 2))
    assert contents(root) == {0: 1, 1: 2, 2: 2}
