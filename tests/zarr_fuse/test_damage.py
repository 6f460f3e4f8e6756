from __future__ import annotations

import warnings

import polars as pl
import pytest

from zarr_fuse import open_store
from zarr_fuse.errors import CorruptStoreError

SCHEMA = {
    "n": {
        "VARS": {"x": {"unit": "m", "coords": "t"}},
        "COORDS": {"t": {"unit": {"tick": "s"}, "chunk_size": 4, "shard_size": 4}},
    },
    "other": {
        "VARS": {"y": {"unit": "m", "coords": "t"}},
        "COORDS": {"t": {"unit": {"tick": "s"}, "chunk_size": 4}},
    },
}


@pytest.fixture
def folder(tmp_path):
    root = opened(tmp_path)
    root["n"].update(rows("x", 0))
    root["other"].update(rows("y", 0))
    return tmp_path / "store.zarr"


def opened(path, **options):
    return open_store(SCHEMA, STORE_URL=str(path / "store.zarr"), LEASE_TTL_S=0.4, LEASE_WAIT_S=20, **options)


def rows(name, start):
    return pl.DataFrame({"t": [start], name: [1.0]})


@pytest.mark.parametrize(("node", "name"), [("n", "x"), ("other", "y"), ("other", "t")])
@pytest.mark.parametrize("damage", [b"garbage", b""], ids=["garbage", "empty"])
def test_damaged_chunk_is_named_and_leaves_other_nodes_usable(folder, node, name, damage):
    (folder / node / name / "c" / "0").write_bytes(damage)
    root = opened(folder.parent)
    with pytest.raises(CorruptStoreError, match=rf"store\.zarr/{node}/{name}/c/0 cannot be decoded"):
        root[node].update(rows(name, 1))
    another = {"n": "other", "other": "n"}[node]
    assert root[another].update(rows({"n": "x", "other": "y"}[another], 1)).new_labels == {"t": 1}


@pytest.mark.parametrize("damage", [b"{", b"", b"[]", b"\xff\xfe"], ids=["cut", "empty", "list", "binary"])
@pytest.mark.parametrize("mode", ["a", "r"])
def test_damaged_root_is_named(folder, damage, mode):
    (folder / "zarr.json").write_bytes(damage)
    with pytest.raises(CorruptStoreError, match=r"store\.zarr/zarr\.json holds no metadata"):
        opened(folder.parent, MODE=mode)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}"], ids=["empty", "cut", "list", "nothing"])
def test_lock_that_lost_its_content_with_the_power_is_taken_over_when_its_time_is_over(folder, damage):
    locks = folder.parent / "store.zarr.zf" / "lock"
    (newest,) = locks.iterdir()
    newest.write_bytes(damage)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = opened(folder.parent)
        root["n"].update(rows("x", 7))
    assert root["n"].dataset.sizes == {"t": 2}
