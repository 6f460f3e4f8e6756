from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from tests.docs.blocks import blocks_of
from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY
from tests.rigs.project import ROOT
from zarr_fuse import open_store

PAGE = ROOT / "docs" / "how-to" / "read-the-data.md"
SCHEMA = """
weather:
  VARS:
    temperature: {unit: degC, coords: [time, station]}
    count: {type: int32, coords: [time, station]}
    quality: {type: "str[8]", coords: [time, station], range: {discrete: [good, bad]}}
  COORDS:
    time: {unit: {tick: s}}
    station: {type: "str[8]"}
river:
  VARS: {level: {unit: m, coords: time}}
  COORDS: {time: {unit: {tick: s}}}
"""
ROWS = pl.DataFrame(
    {
        "time": ["2026-10-01", "2026-10-02"],
        "station": ["north", "north"],
        "temperature": [12.5, 40.0],
        "count": [3, None],
        "quality": ["good", "bad"],
    }
)


def test_a_scientist_reads_a_local_dataset_by_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = open_store(SCHEMA, STORE_URL="store.zarr")
    root["weather"].update(ROWS)
    root["river"].update(pl.DataFrame({"time": ["2026-09-01"], "level": [1.0]}))
    names: dict[str, object] = {}
    blocks = blocks_of(PAGE, "python")
    assert len(blocks) > 4
    for block in blocks:
        exec(compile(block.text, str(PAGE), "exec"), names)


def make_public(bucket):
    resources = [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"]
    actions = ["s3:GetObject", "s3:ListBucket"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": resources}
    with bucket.client() as client:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        client.put_bucket_policy(Bucket=bucket.name, Policy=policy)


@pytest.mark.parametrize("public", [False, True])
def test_a_scientist_reads_a_dataset_in_a_bucket_by_the_page(moto_bucket, public):
    open_store(SCHEMA, **moto_bucket.options("site/store.zarr"))["weather"].update(ROWS)
    (block,) = blocks_of(PAGE, "bucket")
    text = block.text.replace('"measurements"', repr(moto_bucket.name))
    text = text.replace('"https://objects.example.net"', f"{moto_bucket.endpoint!r}, allow_http=True")
    text = text.replace('access_key_id="…"', f"access_key_id={ACCESS_KEY!r}")
    text = text.replace('secret_access_key="…"', f"secret_access_key={SECRET_KEY!r}")
    if public:
        make_public(moto_bucket)
        text = text.replace(f"access_key_id={ACCESS_KEY!r}", "skip_signature=True")
        text = text.replace(f"secret_access_key={SECRET_KEY!r},", "")
    names: dict[str, object] = {}
    exec(compile(text, str(PAGE), "exec"), names)
    values = names["weather"].temperature.values
    assert np.array_equal(values, [[12.5], [40.0]])
