"""History, older states and rollback of a store of format icechunk."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.zarr_fuse.icechunk_stores import SIMPLE, column, contents, merge
from zarr_fuse import open_store
from zarr_fuse.commit import repository, snapshot_ledger
from zarr_fuse.errors import OptionError, ReadOnlyError, SnapshotNotFoundError, TransactionError


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
