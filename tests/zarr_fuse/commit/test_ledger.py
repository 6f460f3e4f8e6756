from __future__ import annotations

import secrets

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from tests.zarr_fuse.storages import in_memory
from zarr_fuse.commit import ledger as module
from zarr_fuse.commit import segments
from zarr_fuse.commit.ledger import Ledger, read_sidecar
from zarr_fuse.commit.records import CommitRecord


def commit(objects, layout, ledger, number, ids):
    record = CommitRecord(number, secrets.token_hex(4), item_ids=ids)
    objects.create(layout.record(number), record.encode())
    ledger.learn(record)
    ledger.compact()


@given(st.lists(st.integers(0, 4), min_size=30, max_size=90), st.integers(0, 3))
@settings(max_examples=examples(20))
def test_ledger_holds_exactly_the_committed_ids_however_often_it_was_compacted(sizes, absent):
    objects, layout = in_memory()
    writer = Ledger(objects, layout)
    ids = [[f"river/{number:03d}_{place}" for place in range(size)] for number, size in enumerate(sizes)]
    for number, own in enumerate(ids, 1):
        commit(objects, layout, writer, number, own)
    everything = {item_id for own in ids for item_id in own}
    others = {f"river/other_{place}" for place in range(absent)}
    assert Ledger(objects, layout).contains(everything | others) == everything


def test_requests_of_a_look_up_do_not_grow_with_the_number_of_transactions():
    objects, layout = in_memory()
    writer = Ledger(objects, layout)
    costs = []
    for number in range(1, 1201):
        commit(objects, layout, writer, number, [f"river/{number}"])
        if number in (100, 1200):
            before = objects.requests
            assert Ledger(objects, layout).contains(["river/7"]) == {"river/7"}
            costs.append(objects.requests - before)
    assert costs[1] <= costs[0] + 12
    assert costs[1] < 60


def test_large_segment_is_read_in_windows(monkeypatch):
    objects, layout = in_memory()
    monkeypatch.setattr(segments, "WHOLE_BYTES", 64)
    monkeypatch.setattr(module, "COMPACT_AT", 10)
    writer = Ledger(objects, layout)
    for number in range(1, 11):
        commit(objects, layout, writer, number, [f"river/{number}/{place}" for place in range(500)])
    assert read_sidecar(objects, layout).segments
    wanted = [f"river/{number}/{place}" for number in (1, 2) for place in (0, 250, 499)]
    assert Ledger(objects, layout).contains([*wanted, "river/1/500"]) == set(wanted)


def test_interrupted_merge_of_segments_is_read_as_the_merged_one():
    objects, layout = in_memory()
    objects.put(layout.segment(1, 4), segments.digest("a"))
    objects.put(layout.segment(1, 8), b"".join(sorted([segments.digest("a"), segments.digest("b")])))
    assert read_sidecar(objects, layout).segments == ((1, 8, layout.segment(1, 8)),)
    assert Ledger(objects, layout).contains(["a", "b", "c"]) == {"a", "b"}
