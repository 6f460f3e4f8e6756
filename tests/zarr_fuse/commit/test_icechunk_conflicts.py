"""Writers of a store of format icechunk that meet."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from tests.zarr_fuse.icechunk_stores import AXIS, ICE, SIMPLE, column, contents, merge
from zarr_fuse import open_store
from zarr_fuse.commit import branch, repository, snapshots
from zarr_fuse.errors import AlreadyMergedError, CommitConflictError, StorageError, UpdateRefusedError


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
