from __future__ import annotations

import polars as pl
import pytest
from obstore.store import LocalStore

from zarr_fuse import open_store
from zarr_fuse.commit.lease import Lease
from zarr_fuse.errors import CorruptStoreError
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout

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
    return open_store(SCHEMA, STORE_URL=str(path / "store.zarr"), **options)


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
    lease = Lease(Objects(LocalStore(folder.parent)), Layout("store.zarr"), 0.2, 60, 0)
    lease.acquire()
    assert lease.number == int(newest.name) + 1
