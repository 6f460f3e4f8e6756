from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from obstore.store import LocalStore

from tests.rigs.waiting import PATIENCE_S
from tests.zarr_fuse.storages import in_memory
from zarr_fuse.commit.lease import Lease
from zarr_fuse.commit.process import holder, is_dead
from zarr_fuse.errors import LeaseHeldError, LeaseLostError
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout


def lease(objects, layout, ttl_s=PATIENCE_S, wait_s=0.3):
    return Lease(objects, layout, ttl_s, wait_s, request_timeout_s=0.0)


class Clock:
    """The time of a lease: it moves by what is slept, and something else may happen meanwhile."""

    def __init__(self):
        self.now = 1000.0
        self.asleep = self.set_by = 0.0
        self.meanwhile = lambda: None

    def monotonic(self):
        return self.now

    def clock_gettime(self, _clock):
        return self.now + self.asleep

    def time(self):
        return self.now + self.asleep + self.set_by

    def sleep(self, seconds):
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr("zarr_fuse.commit.lease.time", found)
    return found


@pytest.mark.parametrize("told_by", ["asleep", "set_by"])
def test_a_holder_whose_machine_stood_still_writes_no_more(clock, told_by):
    objects, layout = in_memory()
    held = lease(objects, layout, ttl_s=30)
    held.acquire()
    setattr(clock, told_by, 29.0)
    held.renew_when_due()
    setattr(clock, told_by, 100.0)
    with pytest.raises(LeaseLostError):
        held.renew_when_due()


def test_a_clock_set_back_makes_no_lease_younger(clock):
    objects, layout = in_memory()
    held = lease(objects, layout, ttl_s=30)
    held.acquire()
    clock.set_by, clock.now = -3600.0, clock.now + 31
    with pytest.raises(LeaseLostError):
        held.renew_when_due()


def test_second_writer_waits_for_the_first_and_then_gives_up():
    objects, layout = in_memory()
    lease(objects, layout).acquire()
    with pytest.raises(LeaseHeldError, match=f"process {os.getpid()}"):
        lease(objects, layout).acquire()


def test_released_lease_is_taken_with_the_next_number():
    objects, layout = in_memory()
    first, second = lease(objects, layout), lease(objects, layout)
    first.acquire()
    first.release()
    second.acquire()
    assert (first.number, second.number) == (1, 2)
    assert not second.follows_own


def test_numbers_follow_each_other_while_nobody_else_writes():
    objects, layout = in_memory()
    own, other = lease(objects, layout), lease(objects, layout)
    own.acquire()
    own.release()
    own.acquire()
    assert own.follows_own
    own.release()
    other.acquire()
    other.release()
    own.acquire()
    assert not own.follows_own
    assert own.number == 4


def test_number_of_an_overtaken_holder_is_not_taken_again_after_its_lock_was_removed():
    objects, layout = in_memory()
    own = lease(objects, layout)
    own.acquire()
    own.release()
    for _ in range(2):
        other = lease(objects, layout)
        other.acquire()
        objects.delete(other.lower_locks())
        other.release()
    own.acquire()
    assert own.number > other.number
    assert not own.follows_own


@pytest.mark.usefixtures("clock")
def test_lock_that_does_not_change_for_its_time_to_live_is_taken_over():
    objects, layout = in_memory()
    slow = lease(objects, layout, ttl_s=0.2)
    slow.acquire()
    fast = lease(objects, layout, ttl_s=0.2, wait_s=5)
    fast.acquire()
    assert fast.number == 2
    with pytest.raises(LeaseLostError):
        slow.check()
    with pytest.raises(LeaseLostError):
        slow.keep()


def test_renewed_lock_is_not_taken_over(clock):
    objects, layout = in_memory()
    own = lease(objects, layout, ttl_s=0.3)
    own.acquire()
    clock.meanwhile = own.renew_when_due
    with pytest.raises(LeaseHeldError):
        lease(objects, layout, ttl_s=0.3, wait_s=3).acquire()
    own.check()


def test_holder_that_nobody_replaced_goes_on_under_a_new_number_after_a_long_pause(clock):
    objects, layout = in_memory()
    own = lease(objects, layout, ttl_s=10)
    own.acquire()
    clock.sleep(15)
    own.keep()
    assert own.number == 2
    own.check()


def test_lock_of_a_dead_process_of_this_machine_is_taken_over_at_once(tmp_path):
    script = (
        "from obstore.store import LocalStore\n"
        "from zarr_fuse.commit.lease import Lease\n"
        "from zarr_fuse.stored.layout import Layout\n"
        "from zarr_fuse.storage.objects import Objects\n"
        f"Lease(Objects(LocalStore({str(tmp_path)!r})), Layout('river.zarr'), 60, 1, 0).acquire()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    own = lease(Objects(LocalStore(tmp_path)), Layout("river.zarr"), ttl_s=60, wait_s=30)
    own.acquire()
    assert own.number == 2


def test_a_process_is_dead_only_when_this_machine_can_tell():
    own = holder()
    assert not is_dead(own)
    assert not is_dead({**own, "boot": "another"})
    assert is_dead({**own, "started": own["started"] - 1})


def test_of_racing_writers_exactly_one_holds_the_lease_at_any_time():
    objects, layout = in_memory()
    inside, seen = [], []

    def work():
        own = lease(objects, layout, wait_s=2 * PATIENCE_S)
        for _ in range(5):
            own.acquire()
            inside.append(own.number)
            seen.append(len(inside))
            time.sleep(0.001)
            inside.remove(own.number)
            objects.delete(own.lower_locks())
            own.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 30
    assert json.loads(objects.get(objects.keys(layout.side("lock"))[-1]))["released"]
