"""A store of format icechunk in a folder, where processes are killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.rigs.project import ROOT
from tests.zarr_fuse.icechunk_stores import ICE, SIMPLE, contents, merge
from zarr_fuse import open_store
from zarr_fuse.commit import local_disk, repository
from zarr_fuse.errors import LeaseHeldError


class TestFolder:
    def test_bytes_are_on_the_disk_before_the_branch_names_them(self, url, monkeypatch):
        root, steps = open_store(SIMPLE, STORE_URL=url, **ICE), []

        def noted(name, act):
            return lambda *args: (steps.append(name), act(*args))

        for name in ("sync_filesystem", "sync_file"):
            monkeypatch.setattr(local_disk, name, noted(name, getattr(local_disk, name)))
        advance = noted("advance", repository.Repository.advance)
        monkeypatch.setattr(repository.Repository, "advance", advance)
        merge(root, 0, 1, "a")
        assert steps == ["sync_filesystem", "advance", "sync_file"]

    def test_writer_that_waits_too_long_for_the_folder_says_so(self, url, tmp_path):
        root = open_store(SIMPLE, STORE_URL=url, LEASE_WAIT_S=0.05, **ICE)
        lock = local_disk.LocalLock(tmp_path / "river.zarr.zf/commit.lock", 1.0)
        lock.acquire()
        with pytest.raises(LeaseHeldError, match=r"commit\.lock"):
            merge(root, 0, 1, "a")
        assert contents(root) == {}
        lock.release()
        merge(root, 0, 1, "a")
        assert contents(root) == {0: 1.0, 1: 1.0}

    def test_lock_of_a_removed_store_does_not_count(self, tmp_path):
        path = tmp_path / "commit.lock"
        first, second = local_disk.LocalLock(path, 0.05), local_disk.LocalLock(path, 0.05)
        first.acquire()
        with pytest.raises(LeaseHeldError):
            second.acquire()
        path.unlink()
        second.acquire()
        first.release()
        second.release()

    @pytest.mark.parametrize(("moment", "committed"), [("before", False), ("after", True)])
    def test_process_killed_around_the_commit_leaves_nothing_to_repair(self, url, moment, committed):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        merge(root, 0, 1, "seed")
        done = subprocess.run([sys.executable, "-c", KILLED, url, moment], check=False, env=_environment())
        assert done.returncode == 9
        assert root.ledger.contains(["item"]) == ({"item"} if committed else set())
        assert contents(root) == ({0: 1.0, 1: 2.0, 2: 2.0} if committed else {0: 1.0, 1: 1.0})
        if not committed:
            merge(root, 1, 2, "item")
        merge(open_store(None, STORE_URL=url), 9, 3, "next")
        assert contents(root) == {0: 1.0, 1: 2.0, 2: 2.0, 9: 3.0, 10: 3.0}


KILLED = """
import os, sys
import polars as pl
from zarr_fuse import open_store
from zarr_fuse.commit.repository import Repository

root = open_store(None, STORE_URL=sys.argv[1])
advance = Repository.advance

def killed(*args):
    if sys.argv[2] == "after":
        advance(*args)
    os._exit(9)

Repository.advance = killed
with root.transaction(item_ids=["item"]) as transaction:
    transaction["n"].update(pl.DataFrame({"t": [1, 2], "x": [2.0, 2.0]}))
"""


def _environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packages")])}
