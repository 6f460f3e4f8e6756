"""Uploads, scrapes, sweeps, crashes, requeues, two extractors: nothing is lost, nothing is doubled."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from structlog.testing import capture_logs

from packages.common.errors import ItemBusyError, StorageError
from packages.common.keys import ItemState, new_item_id
from packages.common.models.metadata_model import ItemMetadata
from services.extractor_service.group import begun, settled
from services.extractor_service.plan import accepted, plan, waiting
from services.extractor_service.report import total
from services.extractor_service.reprocess import Choice, requeue
from services.extractor_service.rounds import rounds
from services.extractor_service.sweep import merge_store, sweep
from tests.extractor.site import BEGIN
from tests.faults.switch import FAULTS, DiedError
from tests.faults.world import World
from tests.hypothesis_profiles import examples

faults = st.none() | st.tuples(st.integers(1, 90), st.sampled_from(FAULTS))


class SweepMachine(RuleBasedStateMachine):
    """Every item says something of one cell of its own and of one that all of its node share.

    `uploaded` holds the payload of every acknowledged item, `broken` those that no table can be made of,
    `uncertain` those whose acknowledgement got lost: they may be there, and whole.
    """

    @initialize()
    def begin(self) -> None:
        self.patch, self.folder = pytest.MonkeyPatch(), TemporaryDirectory()
        self.world = World(self.patch, Path(self.folder.name))
        self.logs = capture_logs()
        self.logs.__enter__()
        self.uploaded: dict[str, bytes] = {}
        self.uncertain: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.taken = []
        self.made = 0

    def teardown(self) -> None:
        self.world.restart()
        self.drained()
        self.logs.__exit__(None, None, None)
        self.patch.undo()
        self.folder.cleanup()

    def attempt(self, fault, act) -> bool:
        """Whether `act` came to its end; whatever fails, another process carries on."""
        if fault is not None:
            self.world.switch.plan(*fault)
        try:
            act()
        except (DiedError, StorageError, ItemBusyError):
            return False
        finally:
            self.world.restart()
        return True

    def metadata(self, endpoint: str, item_id: str, payload: bytes) -> ItemMetadata:
        return ItemMetadata(
            item_id=item_id,
            endpoint_name=endpoint,
            content_type="text/csv" if endpoint == "weather" else "application/json",
            received_at=BEGIN + timedelta(seconds=self.made),
            sha256=hashlib.sha256(payload).hexdigest(),
            schema_name="weather.yaml",
            target_node="station" if endpoint == "weather" else "logger",
        )

    def new(self, endpoint: str, good: bool) -> tuple[str, bytes]:
        self.made += 1
        item_id = new_item_id(endpoint, "", BEGIN + timedelta(seconds=self.made), f"{self.made:012x}")
        own = (BEGIN + timedelta(minutes=self.made)).isoformat()
        if not good:
            payload = b"{"
            self.broken.add(item_id)
        elif endpoint == "weather":
            payload = (
                f"time,place,temperature\n{own},own,{self.made / 10}\n{BEGIN.isoformat()},all,1\n".encode()
            )
        else:
            rows = (
                f'{{"t": "{own}", "p": "own", "v": {self.made / 10}}}, {{"t": "{own}", "p": "bad", "v": 999}}'
            )
            payload = f'{{"rows": [{rows}]}}'.encode()
        return item_id, payload

    @rule(endpoint=st.sampled_from(["weather", "paths"]), good=st.integers(0, 4).map(bool), fault=faults)
    def upload(self, endpoint, good, fault) -> None:
        item_id, payload = self.new(endpoint, good)
        metadata = self.metadata(endpoint, item_id, payload)
        done = self.attempt(fault, lambda: self.world.site.queue.accept(metadata, payload))
        (self.uploaded if done else self.uncertain)[item_id] = payload

    @rule(fault=faults)
    def scrape_by_two_replicas(self, fault) -> None:
        item_id, payload = self.new("paths", good=True)
        metadata = self.metadata("paths", item_id, payload)

        def accept_once() -> None:
            self.world.site.queue.accept_once(metadata, payload, patience_s=0)

        self.attempt(fault, accept_once)
        if self.attempt(None, accept_once):
            self.uploaded[item_id] = payload

    @rule(fault=faults)
    def sweep(self, fault) -> None:
        self.attempt(fault, lambda: sweep(self.world.site.settings))

    @rule()
    def another_extractor_takes_items_up(self) -> None:
        with begun(self.world.site.settings) as work:
            taken = rounds(work.queue, work.targets, accepted(work.queue, waiting(work.queue)))
            self.taken = [group for one in taken for group in one.groups]

    @rule(fault=faults)
    def other_extractor_works_on_what_it_has_taken_up(self, fault) -> None:
        def work_on() -> None:
            with begun(self.world.site.settings) as work:
                for group in self.taken:
                    total(settled(work, group))

        self.attempt(fault, work_on)

    @rule(fault=faults)
    def sweep_store_by_store(self, fault) -> None:
        def by_plan() -> None:
            for one in plan(self.world.site.settings):
                merge_store(self.world.site.settings, one)

        self.attempt(fault, by_plan)

    @precondition(lambda self: self.uploaded)
    @rule(data=st.data(), fault=faults)
    def requeue(self, data, fault) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.uploaded)))
        for state in (ItemState.FAILED, ItemState.PROCESSED):
            choice = Choice(state=state, item_ids=[item_id])
            self.attempt(fault, lambda choice=choice: requeue(self.world.site.settings, choice))

    @rule()
    def drained(self) -> None:
        """Conservation, integrity, liveness: two quiet sweeps end everything."""
        site = self.world.site
        for _ in range(2):
            sweep(site.settings)
        states = site.states()
        for item_id in set(states) & set(self.uncertain):
            self.uploaded[item_id] = self.uncertain.pop(item_id)
        assert set(states) == set(self.uploaded)
        for item_id, payload in self.uploaded.items():
            assert states[item_id] == ["failed" if item_id in self.broken else "processed"]
            item = site.queue.find(item_id)
            assert site.queue.payload(item) == payload
            quarantined = site.queue.storage.head(item.rejected_key) is not None
            assert quarantined == (item_id.startswith("paths") and item_id not in self.broken)
        for endpoint, node in (("weather", "station"), ("paths", "logger")):
            self.holds(endpoint, node)

    def holds(self, endpoint: str, node: str) -> None:
        good = [one for one in self.uploaded if one.startswith(endpoint) and one not in self.broken]
        if not good:
            return
        found = self.world.values(node)
        numbers = {int(item_id.rpartition("_")[2], 16) / 10 for item_id in good}
        assert {value for (_, place), value in found.items() if place == "own"} == numbers
        shared = {value for (_, place), value in found.items() if place == "all"}
        assert shared == ({1.0} if endpoint == "weather" else set())


TestSweepMachine = SweepMachine.TestCase
TestSweepMachine.settings = profile(max_examples=examples(25), stateful_step_count=12, deadline=None)
