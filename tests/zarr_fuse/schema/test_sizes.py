from __future__ import annotations

import warnings

import polars as pl
import pytest

from zarr_fuse import open_store
from zarr_fuse.schema import sizes
from zarr_fuse.schema.source import check

GRID = """
grid:
  VARS:
    sst: {unit: degC, coords: [time, lat, lon]}
    mask: {type: int8, coords: [lat, lon]}
  COORDS:
    time: {unit: {tick: D}}
    lat: {unit: degree%s}
    lon: {unit: degree}
"""
SHARDS = ", chunk_size: 64, shard_size: 65536"


@pytest.mark.parametrize(("more", "shape"), [("", [4, 8, 8]), (SHARDS, [4, 64, 8])], ids=["chunks", "shards"])
def test_arrays_are_made_with_what_fits(monkeypatch, more, shape):
    monkeypatch.setattr(sizes, "MAX_CHUNK_BYTES", 2**11)
    monkeypatch.setattr(sizes, "MAX_SHARD_BYTES", 2**14)
    root = open_store(GRID % more, STORE_URL=f"memory://sizes{len(more)}")
    row = {"time": ["2026-01-01"], "lat": [1.0], "lon": [2.0], "sst": [3.0], "mask": [1]}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        root["grid"].update(pl.DataFrame(row))
    assert any(str(one.message).startswith("sst: a chunk") for one in told)
    dataset = root["grid"].dataset
    assert dataset.sst.values.tolist() == [[[3.0]]]
    assert list(dataset.sst.encoding["shards"] or dataset.sst.encoding["chunks"]) == shape


def test_chunk_beyond_64_mib_is_cut_and_told_when_the_schema_is_checked():
    (problem,) = check(GRID % "")
    assert problem.severity == "warning"
    sentence = "a chunk of [1024, 1024, 1024] cells is over 64 MiB, [128, 256, 256] is used"
    assert problem.message == f"<schema>:grid/VARS/sst: {sentence}"


def test_shard_beyond_512_mib_is_cut_to_whole_chunks_and_told_when_the_schema_is_checked():
    text = GRID % SHARDS
    told = [problem.message for problem in check(text) if "shard" in problem.message]
    sentence = "a shard of [None, 65536, None] cells is over 512 MiB, [256, 512, 512] is used"
    assert told == [f"<schema>:grid/VARS/sst: {sentence}"]


def test_sizes_that_fit_are_taken_as_they_are():
    small = GRID.replace("tick: D}", "tick: D}, chunk_size: 16, shard_size: 64") % ", chunk_size: 100"
    assert check(small) == []


def test_coordinate_that_hides_one_of_a_node_above_is_told_when_the_schema_is_checked():
    text = """
river:
  VARS: {level: {unit: m, coords: time}}
  COORDS: {time: {unit: {tick: s}}}
  weir:
    gate:
      VARS: {flow: {unit: m, coords: [time, gate]}}
      COORDS: {time: {unit: {tick: s}}, gate: {type: int32}}
lake:
  VARS: {level: {unit: m, coords: time}}
  COORDS: {time: {unit: {tick: s}}}
"""
    (problem,) = check(text)
    assert problem.severity == "warning"
    assert problem.message.startswith("<schema>: river/weir/gate/time: a node above has a coordinate")
