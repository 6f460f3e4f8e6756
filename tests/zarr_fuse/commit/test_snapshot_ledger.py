from __future__ import annotations

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from tests.zarr_fuse.storages import in_memory
from zarr_fuse.commit import snapshot_ledger as module
from zarr_fuse.commit.history import Commit
from zarr_fuse.commit.snapshot_ledger import SnapshotLedger

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Repository:
    """A branch as the ledger sees it; `walked` counts the commits that were read."""

    def __init__(self):
        self.commits = {"s0": Commit("s0", None, NOW, "start")}
        self.tip = "s0"
        self.walked = 0

    def commit(self, item_ids):
        made = Commit(f"s{len(self.commits)}", self.tip, NOW, None, tuple(item_ids))
        self.commits[made.snapshot] = made
        self.tip = made.snapshot
        return made

    def rollback(self):
        self.tip = self.commits[self.tip].parent or self.tip

    def ancestry(self, snapshot):
        while snapshot:
            self.walked += 1
            yield self.commits[snapshot]
            snapshot = self.commits[snapshot].parent

    def item_ids(self):
        return {item_id for commit in self._branch() for item_id in commit.item_ids}

    def _branch(self):
        place = self.tip
        while place:
            yield self.commits[place]
            place = self.commits[place].parent


def ledger_of(repository, objects, layout):
    return SnapshotLedger(objects, layout, lambda: repository.tip, repository.ancestry)


STEPS = st.one_of(
    st.tuples(st.just("commit"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("rollback"), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("lose a segment"), st.integers(0, 5), st.just(0)),
)


@given(st.lists(STEPS, min_size=20, max_size=120), st.integers(3, 9), st.integers(0, 2))
@settings(max_examples=examples(60))
def test_ledger_holds_the_ids_on_the_branch_whoever_folds_it_and_whatever_is_rolled_back(
    steps, compact_at, keep
):
    objects, layout = in_memory()
    repository = Repository()
    writers = [ledger_of(repository, objects, layout) for _ in range(2)]
    module.COMPACT_AT, module.KEEP, before = compact_at, keep, (module.COMPACT_AT, module.KEEP)
    try:
        for number, (what, which, size) in enumerate(steps):
            if what == "commit":
                writers[which].learn(repository.commit([f"{number}/{place}" for place in range(size)]))
                writers[which].compact(repository.tip)
            elif what == "rollback":
                for _ in range(which):
                    repository.rollback()
            else:
                objects.delete(objects.keys(layout.side("history"))[which : which + 1])
            everything = {item_id for one in repository.commits.values() for item_id in one.item_ids}
            for ledger in (*writers, ledger_of(repository, objects, layout)):
                assert ledger.contains(everything | {"none"}) == repository.item_ids()
        branch = set(repository.commits) - {"none"}
        fresh = ledger_of(repository, objects, layout)
        on_branch = {one.snapshot for one in repository._branch()}
        assert {name for name in branch if fresh.has_snapshot(repository.tip, name)} == on_branch
    finally:
        module.COMPACT_AT, module.KEEP = before


def test_look_up_of_a_new_handle_reads_few_commits_of_a_long_history():
    objects, layout = in_memory()
    repository = Repository()
    writer = ledger_of(repository, objects, layout)
    for number in range(1000):
        writer.learn(repository.commit([f"item {number}"]))
        writer.compact(repository.tip)
    repository.walked, before = 0, objects.requests
    fresh = ledger_of(repository, objects, layout)
    assert fresh.contains(["item 3", "item 999", "none"]) == {"item 3", "item 999"}
    assert repository.walked <= module.COMPACT_AT
    assert objects.requests - before <= 20
    assert len(writer._known) <= 2 * module.COMPACT_AT


def test_store_that_others_wrote_to_is_walked_once_and_folded_by_the_next_commit():
    objects, layout = in_memory()
    repository = Repository()
    for number in range(100):
        repository.commit([f"item {number}"])
    writer = ledger_of(repository, objects, layout)
    assert writer.contains(["item 3"]) == {"item 3"}
    writer.learn(repository.commit(["last"]))
    writer.compact(repository.tip)
    repository.walked = 0
    assert ledger_of(repository, objects, layout).contains(["item 3"]) == {"item 3"}
    assert repository.walked <= module.COMPACT_AT
