"""What only format icechunk does: conflicts and reruns, history, older states, rollback, its creation."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import icechunk
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from tests.faults.switch import DiedError
from tests.zarr_fuse import test_interruptions as interruptions
from tests.zarr_fuse.rivers import IcechunkRiver
from zarr_fuse import open_store, remove_store
from zarr_fuse.commit import branch, local_disk, repository, snapshot_ledger, snapshots
from zarr_fuse.errors import (
    AlreadyMergedError,
    CommitConflictError,
    LeaseHeldError,
    OptionError,
    ReadOnlyError,
    SnapshotNotFoundError,
    StorageError,
    StoreNotFoundError,
    TransactionError,
    UpdateRefusedError,
)

ICE = {"STORE_FORMAT": "icechunk"}
AXIS = {"t": {"unit": {"tick": "s"}, "chunk_size": 3}}
SIMPLE = {"n": {"VARS": {"x": {"unit": "m", "coords": "t"}}, "COORDS": AXIS}}


def column(start, value, count=2):
    return pl.DataFrame({"t": list(range(start, start + count)), "x": [float(value)] * count})


def contents(root):
    data = root["n"].dataset.load()
    if "t" not in data:
        return {}
    return dict(zip(data.t.values.astype("datetime64[s]").astype(int).tolist(), data.x.values, strict=True))


def merge(root, start, value, item_id):
    with root.transaction(item_ids=[item_id]) as transaction:
        transaction["n"].update(column(start, value))
    return transaction


@pytest.fixture
def survey(monkeypatch):
    return IcechunkRiver(monkeypatch)


@pytest.fixture
def url(tmp_path):
    return str(tmp_path / "river.zarr")


class TestFormat:
    def test_repository_opens_with_plain_icechunk_and_shows_the_same_dataset(self, url):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        found = (
            icechunk.Repository.open(icechunk.local_filesystem_storage(url)).readonly_session("main").store
        )
        plain = xr.open_zarr(found, group="n", consolidated=False, chunks=None)
        assert plain.equals(root["n"].dataset)
        assert plain.equals(xr.open_zarr(root.store, group="n", consolidated=False, chunks=None))

    def test_repository_has_the_version_that_every_icechunk_reads(self, url):
        open_store(SIMPLE, STORE_URL=url, **ICE)
        assert (Path(url) / "refs/branch.main/ref.json").exists()
        assert not (Path(url) / "repo").exists()

    def test_existing_store_decides_and_another_wish_is_an_error(self, url, tmp_path):
        open_store(SIMPLE, STORE_URL=url, **ICE)["n"].update(column(0, 1))
        assert contents(open_store(None, STORE_URL=url)) == {0: 1.0, 1: 1.0}
        with pytest.raises(OptionError, match="of format 'icechunk'"):
            open_store(SIMPLE, STORE_URL=url, STORE_FORMAT="zarr")
        other = str(tmp_path / "other.zarr")
        open_store(SIMPLE, STORE_URL=other)
        with pytest.raises(OptionError, match="of format 'zarr'"):
            open_store(SIMPLE, STORE_URL=other, **ICE)

    def test_nothing_is_printed(self, url, capfd):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        contents(open_store(None, STORE_URL=url))
        assert capfd.readouterr() == ("", "")

    def test_node_without_arrays_has_an_empty_dataset(self, survey):
        assert not survey.open(SIMPLE)["n"].dataset.variables

    def test_stores_in_memory_are_told_apart_by_name_and_removed(self, survey):
        merge(survey.open(SIMPLE), 0, 1, "a")
        assert contents(survey.open(None)) == {0: 1.0, 1: 1.0}
        other = open_store(SIMPLE, STORE_URL=survey.url + "-2", **ICE)
        assert contents(other) == {}
        remove_store(None, STORE_URL=survey.url)
        with pytest.raises(StoreNotFoundError):
            survey.open(None)

    def test_removed_store_is_gone_with_its_sidecar_and_removing_it_again_is_harmless(self, url, tmp_path):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        remove_store(SIMPLE, STORE_URL=url)
        remove_store(SIMPLE, STORE_URL=url)
        assert not list(tmp_path.iterdir())
        with pytest.raises(StoreNotFoundError):
            root["n"].update(column(2, 1))
        assert not list(tmp_path.iterdir())

    def test_interrupted_removal_is_completed_by_the_next_one(self, url, tmp_path):
        open_store(SIMPLE, STORE_URL=url, **ICE)["n"].update(column(0, 1))
        (Path(url) / "refs/branch.main/ref.json").unlink()
        with pytest.raises(StoreNotFoundError):
            open_store(None, STORE_URL=url)
        remove_store(None, STORE_URL=url)
        assert not list(tmp_path.iterdir())


class TestCreation:
    def test_processes_that_open_at_once_make_one_repository(self, url):
        with ThreadPoolExecutor(8) as pool:
            roots = list(pool.map(lambda _: open_store(SIMPLE, STORE_URL=url, **ICE), range(8)))
        assert len({root.history()[-1].snapshot for root in roots}) == 1
        assert len(roots[0].history()) == 2

    def test_what_a_dead_creator_left_is_replaced(self, url):
        for leftover in ("snapshots/1CECHNKREP0F1RSTCMT0", "config.yaml", "chunks/ABC"):
            (Path(url) / leftover).parent.mkdir(parents=True, exist_ok=True)
            (Path(url) / leftover).write_bytes(b"half")
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        assert contents(root) == {0: 1.0, 1: 1.0}

    def test_folder_with_something_else_is_refused_and_left_alone(self, url):
        Path(url).mkdir()
        (Path(url) / "cat.jpg").write_bytes(b"meow")
        with pytest.raises(OptionError, match=r"cat\.jpg"):
            open_store(SIMPLE, STORE_URL=url, **ICE)
        assert [path.name for path in Path(url).iterdir()] == ["cat.jpg"]

    @pytest.mark.parametrize("fault", ["before", "after", "lost", "refused"])
    def test_interrupted_creation_is_completed_by_the_next_opening(self, fault, monkeypatch):
        survey = IcechunkRiver(monkeypatch)
        survey.open(SIMPLE)
        for call in range(1, survey.storage.switch.calls + 1):
            survey = IcechunkRiver(monkeypatch)
            survey.storage.switch.plan(call, fault)
            try:
                survey.open(SIMPLE)
            except (DiedError, StorageError):
                survey.restart()
            merge(survey.open(SIMPLE), 0, 1, "a")
            assert survey.dataset("n").x.values.tolist() == [1.0, 1.0], call

    def test_missing_repository_is_not_made_for_reading(self, url, tmp_path):
        for how in ({"MODE": "r"}, {"AS_OF": "2026-01-01"}):
            with pytest.raises(StoreNotFoundError):
                open_store(SIMPLE, STORE_URL=url, **ICE, **how)
        assert not list(tmp_path.iterdir())


class TestConflict:
    def test_both_writers_are_merged_as_if_one_after_the_other(self, survey):
        mine, other = survey.open(SIMPLE), survey.open(SIMPLE)
        merge(mine, 10, 1, "seed")
        with mine.transaction(item_ids=["mine"]) as transaction:
            transaction["n"].update(column(0, 2, count=3))
            transaction["n"].update(column(11, 3, count=1))
            merge(other, 1, 9, "other")
            assert contents(mine) == {10: 1.0, 11: 1.0}
        assert contents(mine) == {0: 2.0, 1: 2.0, 2: 2.0, 10: 1.0, 11: 3.0}
        assert mine.ledger.contains(["seed", "mine", "other"]) == {"seed", "mine", "other"}
        assert [report.new_labels for report in transaction.reports] == [{"t": 1}, {"t": 0}]
        assert transaction.reports[1].snapshot == mine.history()[0].snapshot

    def test_item_that_the_other_writer_has_merged_meanwhile_is_refused(self, survey):
        mine, other = survey.open(SIMPLE), survey.open(SIMPLE)
        transaction = mine.transaction(item_ids=["item"]).__enter__()
        transaction["n"].update(column(0, 1))
        merge(other, 0, 2, "item")
        with pytest.raises(AlreadyMergedError):
            transaction.__exit__(None, None, None)
        assert contents(mine) == {0: 2.0, 1: 2.0}
        merge(mine, 2, 3, "next")
        assert contents(other) == {0: 2.0, 1: 2.0, 2: 3.0, 3: 3.0}

    def test_frame_is_converted_to_the_type_that_the_other_writer_has_fixed(self, survey):
        schema = {"n": {"VARS": {"x": {"coords": "t"}}, "COORDS": AXIS}}
        mine, other = survey.open(schema), survey.open(schema)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other_rows = pl.DataFrame({"t": [0], "x": ["text"]})
            with mine.transaction(on_bad_rows="fail") as transaction:
                transaction["n"].update(pl.DataFrame({"t": [5], "x": [1.5]}))
                other["n"].update(other_rows)
        assert survey.dataset("n").x.values.tolist() == ["text", "1.5"]

    def test_closed_axis_that_the_other_writer_has_filled_refuses_new_labels(self, survey):
        closed = {"n": {**SIMPLE["n"], "COORDS": {"t": {**AXIS["t"], "step_limits": "no_new"}}}}
        mine, other = survey.open(closed), survey.open(closed)
        transaction = mine.transaction(on_bad_rows="fail").__enter__()
        transaction["n"].update(column(5, 1))
        merge(other, 0, 2, "other")
        with pytest.raises(UpdateRefusedError):
            transaction.__exit__(None, None, None)
        assert contents(mine) == {0: 2.0, 1: 2.0}

    def test_writer_that_always_comes_second_gives_up_and_may_try_again(self, survey, monkeypatch):
        monkeypatch.setattr(snapshots, "PAUSE_S", 0.0)
        mine, other = survey.open(SIMPLE), survey.open(SIMPLE)
        commit, runs = branch.Branch.commit, []

        def overtaken(self, base, snapshot):
            if not mine._store._transaction or other._store._transaction:
                return commit(self, base, snapshot)
            runs.append(base)
            other["n"].update(column(100 * len(runs), 5))
            return commit(self, base, snapshot)

        monkeypatch.setattr(branch.Branch, "commit", overtaken)
        with pytest.raises(CommitConflictError) as lost:
            merge(mine, 0, 1, "mine")
        assert lost.value.retryable
        assert len(set(runs)) == 11
        assert 0 not in contents(mine)
        monkeypatch.setattr(branch.Branch, "commit", commit)
        merge(mine, 0, 1, "mine")
        assert contents(other)[0] == 1.0

    def test_frames_are_merged_as_they_were_when_they_were_handed_over(self, survey):
        mine, other = survey.open(SIMPLE), survey.open(SIMPLE)
        table = pd.DataFrame({"t": [0], "x": [1.0]})
        columns = pl.DataFrame({"t": [1], "x": [1.0]})
        arrays = {"t": np.array([2]), "x": np.array([1.0])}
        dataset = xr.Dataset({"x": ("t", [1.0])}, coords={"t": np.array([3], "datetime64[s]")})
        with mine.transaction() as transaction:
            for frame in (table, columns):
                transaction["n"].update(frame)
            transaction["n"].update_dense(arrays)
            transaction["n"].update_from_ds(dataset)
            table.loc[0, "x"] = columns[0, "x"] = arrays["x"][0] = 7.0
            dataset.x.values[0] = 7.0
            merge(other, 9, 2, "other")
        assert contents(mine) == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0, 9: 2.0, 10: 2.0}

    def test_writers_on_a_folder_lose_nothing_and_end_sorted(self, url):
        open_store(SIMPLE, STORE_URL=url, **ICE)
        written = {}

        def write(writer):
            root = open_store(SIMPLE, STORE_URL=url)
            for step in range(4):
                merge(root, 10 * (step * 8 + writer), writer, f"{writer}/{step}")
                written[10 * (step * 8 + writer)] = written[10 * (step * 8 + writer) + 1] = float(writer)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
        root = open_store(None, STORE_URL=url)
        assert contents(root) == dict(sorted(written.items()))
        ids = {f"{writer}/{step}" for writer in range(8) for step in range(4)}
        assert root.ledger.contains(ids) == ids
        assert [one.rows for one in root.history()[:-2]] == [2] * 32


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
    here = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here / "packages")])}


@pytest.mark.parametrize("fault", ["before", "after", "lost", "refused"])
@pytest.mark.parametrize("scenario", ["first write", "overwrite and append", "two nodes", "nothing new"])
def test_interrupted_transaction_is_whole_or_absent_and_its_repetition_ends_as_if_never_interrupted(
    scenario, fault, monkeypatch
):
    for call in range(1, interruptions.call_count(IcechunkRiver(monkeypatch), scenario) + 1):
        survey = IcechunkRiver(monkeypatch)
        root, before, after = interruptions.started(survey, scenario)
        survey.storage.switch.plan(call, fault)
        try:
            interruptions.merge(root, interruptions.SCENARIOS[scenario], "item")
            interrupted = False
        except (DiedError, StorageError):
            interrupted = True
        survey.restart()
        if not (interrupted and fault in {"lost", "refused"} and call % 2):
            root = survey.open()
        committed = root.ledger.contains(["item"]) == {"item"}
        assert committed or interrupted
        assert interruptions.holds(survey, after if committed else before), (call, committed)
        if committed:
            with pytest.raises(AlreadyMergedError):
                interruptions.merge(root, interruptions.SCENARIOS[scenario], "item")
        else:
            interruptions.merge(root, interruptions.SCENARIOS[scenario], "item")
        assert interruptions.holds(survey, after), call


class TestHistory:
    @pytest.fixture
    def root(self, survey):
        root = survey.open(SIMPLE)
        with root.transaction(item_ids=["a", "b"], message="two items") as transaction:
            transaction["n"].update(column(0, 1))
        merge(root, 2, 2, "c")
        return root

    def test_commits_are_listed_newest_first_with_what_they_merged(self, root):
        newest, older, groups, start = root["n"].history()
        assert (newest.item_ids, newest.nodes, newest.rows, newest.message) == (
            ("c",),
            ("n",),
            2,
            "2 rows into n",
        )
        assert (older.item_ids, older.nodes, older.rows, older.message) == (
            ("a", "b"),
            ("n",),
            2,
            "two items",
        )
        assert [one.parent for one in (newest, older, groups, start)] == [
            older.snapshot,
            groups.snapshot,
            start.snapshot,
            None,
        ]
        assert newest.time.tzinfo is not None
        assert newest.time > older.time

    def test_older_state_opens_by_snapshot_and_by_time_and_is_read_only(self, survey, root):
        older = root.history()[1]
        for as_of in (
            older.snapshot,
            older.time,
            older.time.isoformat(),
            f"{older.time:%Y-%m-%dT%H:%M:%S.%f}",
        ):
            old = survey.open(None, AS_OF=as_of)
            assert contents(old) == {0: 1.0, 1: 1.0}
            assert old.ledger.contains(["a", "c"]) == {"a"}
            assert old.history()[0] == older
            assert old.mode == "r"
            with pytest.raises(ReadOnlyError):
                old["n"].update(column(9, 9))
            with pytest.raises(ReadOnlyError):
                old.rollback(older.snapshot)
        merge(root, 9, 9, "d")
        assert contents(old) == {0: 1.0, 1: 1.0}

    @pytest.mark.parametrize(
        "as_of", ["0123456789ABCDEFGHJK", "1999-12-31", dt.datetime(1999, 1, 1, tzinfo=dt.UTC)]
    )
    def test_state_that_never_was_is_not_found(self, survey, root, as_of):
        with pytest.raises(SnapshotNotFoundError):
            survey.open(None, AS_OF=as_of)

    def test_state_before_the_first_group_is_not_found(self, survey, root):
        with pytest.raises(SnapshotNotFoundError, match="no content"):
            survey.open(None, AS_OF=root.history()[-1].snapshot)

    def test_format_zarr_has_no_older_states(self, url):
        root = open_store(SIMPLE, STORE_URL=url)
        for start in range(3):
            merge(root, start, start, f"item {start}")
        for as_of in ({"AS_OF": "2026-01-01"}, {"AS_OF": "2026-01-01", "STORE_FORMAT": "zarr"}):
            with pytest.raises(OptionError, match="STORE_FORMAT=icechunk"):
                open_store(None, STORE_URL=url, **as_of)
        assert [(one.snapshot, one.parent, one.item_ids) for one in root.history()] == [
            ("00000003", "00000002", ("item 2",)),
            ("00000002", "00000001", ("item 1",)),
            ("00000001", None, ("item 0",)),
        ]
        with pytest.raises(TransactionError, match="format zarr"):
            root.rollback("00000003")

    def test_rolled_back_commit_leaves_dataset_ledger_and_history(self, survey, root):
        newest, older = root.history()[:2]
        other = survey.open(None)
        root.rollback(newest.snapshot)
        assert contents(root) == contents(other) == {0: 1.0, 1: 1.0}
        assert root.ledger.contains(["a", "c"]) == other.ledger.contains(["a", "c"]) == {"a"}
        assert other.history()[0] == older
        with pytest.raises(SnapshotNotFoundError):
            survey.open(None, AS_OF=newest.snapshot)
        merge(other, 2, 5, "c")
        assert contents(root) == {0: 1.0, 1: 1.0, 2: 5.0, 3: 5.0}

    def test_only_the_newest_commit_can_be_taken_back_and_not_the_first(self, root):
        newest, older, groups, _ = root.history()
        with pytest.raises(TransactionError, match=newest.snapshot):
            root.rollback(older.snapshot)
        with pytest.raises(SnapshotNotFoundError):
            root.rollback("0123456789ABCDEFGHJK")
        with root.transaction(), pytest.raises(TransactionError, match="is open"):
            root.rollback(newest.snapshot)
        root.rollback(newest.snapshot)
        root.rollback(older.snapshot)
        with pytest.raises(TransactionError, match="remove the store"):
            root.rollback(groups.snapshot)
        assert contents(root) == {}

    def test_commit_that_comes_in_between_keeps_the_rollback_from_taking_it(self, survey, root, monkeypatch):
        other, newest = survey.open(None), root.history()[0]
        advance = repository.Repository.advance

        def overtaken(self, base, snapshot):
            monkeypatch.setattr(repository.Repository, "advance", advance)
            merge(other, 9, 9, "d")
            return advance(self, base, snapshot)

        monkeypatch.setattr(repository.Repository, "advance", overtaken)
        with pytest.raises(TransactionError, match="not the newest"):
            root.rollback(newest.snapshot)
        assert root.ledger.contains(["c", "d"]) == {"c", "d"}

    def test_transaction_without_change_is_a_commit_only_if_it_has_something_to_say(self, survey, root):
        before = root.history()
        report = root["n"].update(column(0, 1))
        assert root.history() == before
        assert report.snapshot == before[0].snapshot
        with root.transaction(item_ids=["d"]):
            pass
        assert root.history()[1:] == before
        assert survey.open(None).ledger.contains(["d"]) == {"d"}


def test_commit_whose_answer_was_lost_is_found_again(survey, monkeypatch):
    root, other = survey.open(SIMPLE), survey.open(SIMPLE)
    advance = repository.Repository.advance

    def lost(self, base, snapshot):
        monkeypatch.setattr(repository.Repository, "advance", advance)
        advance(self, base, snapshot)
        merge(other, 9, 9, "other")
        raise StorageError("the connection was reset")

    monkeypatch.setattr(repository.Repository, "advance", lost)
    merge(root, 0, 1, "mine")
    assert [one.item_ids for one in root.history()[:2]] == [("other",), ("mine",)]
    merge(root, 2, 2, "next")
    assert contents(root) == {0: 1.0, 1: 1.0, 2: 2.0, 3: 2.0, 9: 9.0, 10: 9.0}


def test_look_up_does_not_grow_with_the_history(survey, monkeypatch):
    root = survey.open(SIMPLE)
    costs = []
    for number in range(1, 181):
        with root.transaction(item_ids=[f"item {number}"]):
            pass
        if number in (60, 180):
            fresh = survey.open(None)
            before = fresh._store.commits.requests
            assert fresh.ledger.contains(["item 1", "item 33", f"item {number}", "none"]) == {
                "item 1",
                "item 33",
                f"item {number}",
            }
            costs.append(fresh._store.commits.requests - before)
    assert max(costs) <= snapshot_ledger.COMPACT_AT + 16


def test_examples_of_the_page_about_formats_run(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs/how-to/choose-a-store-format.md"
    monkeypatch.chdir(tmp_path)
    for block in page.read_text(encoding="utf-8").split("```python\n")[1:]:
        exec(block.partition("```")[0], {})
