"""Any order of frames, handles, crashes and repeats against a model made of dicts."""

from __future__ import annotations

import copy
import secrets
import warnings

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.faults.switch import DiedError
from tests.hypothesis_profiles import examples
from tests.zarr_fuse import river
from tests.zarr_fuse.rivers import IcechunkRiver, River
from zarr_fuse.commit import snapshot_ledger
from zarr_fuse.errors import AlreadyMergedError, SchemaWarning, StorageError

FAULTS = ["before", "after", "lost", "refused"]


class RiverMachine(RuleBasedStateMachine):
    make: type[River] = River

    @initialize()
    def start(self):
        self.patch = pytest.MonkeyPatch()
        self.survey = self.make(self.patch)
        self.storage = self.survey.storage
        self.models = river.models()
        self.done = set()
        self.variant = river.VARIANTS["usual"]
        self.open()

    def teardown(self):
        if hasattr(self, "patch"):
            self.patch.undo()

    def handle(self):
        """A handle by the schema of now, which may lack what an earlier one has."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the store keeps what", SchemaWarning)
            return self.survey.open(self.variant.schema)

    def open(self):
        self.touched = set(self.models)
        self.root = self.handle()
        for model in self.models.values():
            model.opened(self.variant)

    @rule(variant=st.sampled_from(sorted(river.VARIANTS)))
    def open_again(self, variant):
        self.variant = river.VARIANTS[variant]
        self.open()

    @rule(update=river.updates())
    def update(self, update):
        path, rows = update
        self.root[path].update(river.frame(path, rows))
        self.models[path].update(rows)
        self.touched.add(path)

    @rule(updates=st.lists(river.updates(), max_size=4))
    def transaction(self, updates):
        item_id = secrets.token_hex(4)
        self.merge(updates, item_id)
        self.follow(updates, item_id)

    @rule(
        updates=st.lists(river.updates(), max_size=3),
        at=st.integers(1, 40),
        fault=st.sampled_from(FAULTS),
        repeat=st.booleans(),
    )
    def interrupted_transaction(self, updates, at, fault, repeat):
        item_id = secrets.token_hex(4)
        self.storage.switch.plan(at, fault)
        try:
            self.merge(updates, item_id)
        except (DiedError, StorageError):
            self.survey.restart()
        else:
            self.storage.switch.heal()
            self.follow(updates, item_id)
            return
        before = copy.deepcopy(self.models)
        self.open()
        if self.root.ledger.contains([item_id]):
            self.follow(updates, item_id)
        self.holds()
        if not repeat:
            return
        try:
            self.merge(updates, item_id)
        except AlreadyMergedError:
            assert item_id in self.done
        else:
            assert self.models == before
            self.follow(updates, item_id)

    @rule()
    def finished_items_are_refused(self):
        for item_id in list(self.done)[:1]:
            with pytest.raises(AlreadyMergedError):
                self.merge([], item_id)

    @invariant()
    def holds(self):
        if not hasattr(self, "root"):
            return
        for path in self.touched:
            assert self.models[path].contradicts(self.survey.dataset(path)) is None
        self.touched = set()
        assert self.root.ledger.contains(self.done) == self.done

    def merge(self, updates, item_id, root=None):
        with (root or self.root).transaction(item_ids=[item_id]) as transaction:
            for path, rows in updates:
                transaction[path].update(river.frame(path, rows))

    def follow(self, updates, item_id):
        for path, rows in updates:
            self.models[path].update(rows)
            self.touched.add(path)
        self.done.add(item_id)


class IcechunkMachine(RiverMachine):
    make = IcechunkRiver

    @initialize()
    def start(self):
        super().start()
        self.patch.setattr(snapshot_ledger, "COMPACT_AT", 4)
        self.patch.setattr(snapshot_ledger, "KEEP", 1)
        self.states = {}

    @rule(mine=river.updates(), others=st.lists(river.updates(), min_size=1, max_size=2))
    def merge_that_another_writer_overtakes(self, mine, others):
        item_id, other_id = secrets.token_hex(4), secrets.token_hex(4)
        other = self.handle()
        with self.root.transaction(item_ids=[item_id]) as transaction:
            path, rows = mine
            transaction[path].update(river.frame(path, rows))
            self.merge(others, other_id, other)
        self.follow(others, other_id)
        self.follow([mine], item_id)

    @rule()
    def rollback(self):
        newest = self.root.history()[0]
        if newest.parent not in self.states or self.schema_differs(self.states[newest.parent][0]):
            return
        self.root.rollback(newest.snapshot)
        self.touched = set(self.models)
        gone = set(newest.item_ids)
        self.models, self.done = copy.deepcopy(self.states[newest.parent])
        assert self.root.ledger.contains(gone) == set()

    def schema_differs(self, models):
        facts = [[(one.variables, one.steps) for one in many.values()] for many in (models, self.models)]
        return facts[0] != facts[1]

    @invariant()
    def remember(self):
        if hasattr(self, "states"):
            self.states[self.root.history()[0].snapshot] = copy.deepcopy((self.models, self.done))


TestRiver = RiverMachine.TestCase
TestRiver.settings = settings(max_examples=examples(30), stateful_step_count=15, deadline=None)
TestIcechunkRiver = IcechunkMachine.TestCase
TestIcechunkRiver.settings = settings(max_examples=examples(10), stateful_step_count=15, deadline=None)
