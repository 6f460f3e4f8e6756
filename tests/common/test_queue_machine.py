"""The queue against a model, with a crash possible between any two storage calls.

What only housekeeping removes is metadata that never got its payload: of an upload or a requeue cut short.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from packages.common.errors import ItemBusyError
from packages.common.keys import ItemState, new_item_id, parse_key
from packages.common.models.metadata_model import ItemMetadata, Outcome
from packages.common.queue import Move, Queue
from tests.common.faulty_storage import CrashError, memory_storage
from tests.common.queue_items import ACCEPTED, FAILED, NOON, PROCESSED
from tests.hypothesis_profiles import examples

crash_points = st.none() | st.tuples(st.integers(0, 20), st.booleans())
dice = st.randoms(use_true_random=False)


class QueueMachine(RuleBasedStateMachine):
    """`promised` holds the payload of every acknowledged item, `ledger` the ids that were merged, `torn`
    those whose requeue was cut short.
    """

    @initialize()
    def begin(self):
        self.queue = Queue(memory_storage())
        self.promised: dict[str, bytes] = {}
        self.ledger: set[str] = set()
        self.torn: set[str] = set()
        self.made = 0

    def attempt(self, crash, act) -> bool:
        """Whether `act` came to its end; a crash kills the process, and another one carries on."""
        if crash is not None:
            self.queue.storage.reset(crash[0], after=crash[1])
        try:
            act()
        except CrashError:
            return False
        finally:
            self.queue.storage.reset()
        return True

    @rule(node=st.sampled_from(["", "a", "a/b"]), crash=crash_points)
    def accept(self, node, crash):
        self.made += 1
        item_id = new_item_id("weather", node, NOON, f"{self.made:012x}")
        payload = item_id.encode()
        metadata = ItemMetadata(item_id=item_id, content_type="text/csv", received_at=NOON, note=item_id)
        if self.attempt(crash, lambda: self.queue.accept(metadata, payload)):
            self.promised[item_id] = payload

    @rule(random=dice, crash=crash_points)
    def sweep(self, random, crash):
        items = [item for item in self.queue.items(ACCEPTED) if random.random() < 0.7]
        moves = [self.judged(item, random) for item in items]
        if self.attempt(crash, lambda: self.queue.settle(moves)):
            remaining = set(self.queue.items(ACCEPTED))
            assert not remaining & set(items)

    def judged(self, item, random) -> Move:
        """Merge or refuse an item: the merge is durable before the item is moved."""
        metadata = self.queue.metadata(item)
        assert metadata is not None
        if item.item_id not in self.ledger and random.random() < 0.3:
            state = FAILED
        else:
            state = PROCESSED
            self.ledger.add(item.item_id)
        outcome = Outcome(state=state, finished_at=NOON)
        return Move(item, metadata.model_copy(update={"outcome": outcome}), state)

    @precondition(lambda self: self.promised)
    @rule(random=dice, crash=crash_points)
    def requeue(self, random, crash):
        found = self.queue.find(random.choice(sorted(self.promised)))
        with suppress(ItemBusyError):  # a settlement was cut short; the next one ends the move
            if not self.attempt(crash, lambda: self.queue.requeue(found)):
                self.torn.add(found.item_id)

    @rule(crash=crash_points)
    def housekeeping(self, crash):
        aborted = list(self.queue.aborted(older_than=timedelta(seconds=-5)))
        self.attempt(crash, lambda: self.queue.storage.delete(aborted))

    @invariant()
    def nothing_promised_is_lost(self):
        for item_id, payload in self.promised.items():
            found = self.queue.find(item_id)
            assert found is not None
            assert self.queue.payload(found) == payload
            metadata = self.queue.metadata(found)
            assert metadata is not None
            assert metadata.note == item_id
            assert item_id in self.ledger or found.state is not PROCESSED

    @rule(random=dice)
    def settle_everything(self, random):
        self.queue.settle([self.judged(item, random) for item in self.queue.items(ACCEPTED)])
        places = [(item.item_id, state) for state in ItemState for item in self.queue.items(state)]
        ids = [item_id for item_id, _ in places]
        assert len(ids) == len(set(ids))
        assert set(self.promised) <= set(ids)
        for item_id, state in places:
            assert state is (PROCESSED if item_id in self.ledger else FAILED)
        lonely = {parse_key(key).item_id for key in self.queue.aborted(older_than=timedelta(seconds=-5))}
        assert not lonely & set(ids) - self.torn


@pytest.fixture(autouse=True)
def _one_request_at_a_time(monkeypatch):
    monkeypatch.setattr("packages.common.in_order.AT_ONCE", 1)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = profile(max_examples=examples(60), stateful_step_count=25, deadline=None)
