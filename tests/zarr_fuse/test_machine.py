"""Any order of frames, handles, crashes and repeats against a model made of dicts."""

from __future__ import annotations

import copy
import secrets
import warnings

import pytest
import xarray as xr
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from zarr.storage import ObjectStore

from tests.zarr_fuse import river
from tests.zarr_fuse.storages import Died, FailingStore
from zarr_fuse import location, open_store
from zarr_fuse.commit import lease, process
from zarr_fuse.errors import AlreadyMergedError, StorageError

FAULTS = ["before", "after", "lost", "refused"]


class RiverMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.storage = FailingStore()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(location, "open_object_store", lambda *_, **__: self.storage)
        self.life = 0
        self.patch.setattr(lease, "holder", lambda: {**process.holder(), "life": self.life})
        self.patch.setattr(lease, "is_dead", lambda other: other["life"] != self.life)
        self.models = river.models()
        self.done = set()
        self.open()

    def teardown(self):
        if hasattr(self, "patch"):
            self.patch.undo()

    def open(self):
        self.root = open_store(river.SCHEMA, STORE_URL="memory://river")

    @rule()
    def open_again(self):
        self.open()

    @rule(update=river.updates())
    def update(self, update):
        path, rows = update
        self.root[path].update(river.frame(path, rows))
        self.models[path].update(rows)

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
        self.storage.plan(at, fault)
        try:
            self.merge(updates, item_id)
        except (Died, StorageError):
            self.storage.heal()
            self.life += 1
        else:
            self.storage.heal()
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for path, model in self.models.items():
                dataset = xr.open_zarr(ObjectStore(self.storage), group=path, consolidated=True, chunks=None)
                assert model.contradicts(dataset) is None
        assert self.root.ledger.contains(self.done) == self.done

    def merge(self, updates, item_id):
        with self.root.transaction(item_ids=[item_id]) as transaction:
            for path, rows in updates:
                transaction[path].update(river.frame(path, rows))

    def follow(self, updates, item_id):
        for path, rows in updates:
            self.models[path].update(rows)
        self.done.add(item_id)


TestRiver = RiverMachine.TestCase
TestRiver.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
