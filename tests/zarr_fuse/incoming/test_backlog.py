from __future__ import annotations

import contextlib

import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from zarr_fuse import open_store, remove_store
from zarr_fuse.errors import TransactionError, UpdateRefusedError
from zarr_fuse.report import UpdateReport

SCHEMA = """
upper:
  VARS:
    stage:   {unit: m, source_unit: ft, coords: [when, gauge], range: {interval: [-10, 10]}}
    count:   {unit: m, source_unit: km, type: int64, coords: [when, gauge]}
    note:    {unit: "", type: "str[3]", coords: [when, gauge]}
    state:   {unit: "", type: "str[4]", coords: [when, gauge], range: {discrete: [good, bad]}}
    owner:   {unit: "", type: "str[4]", coords: gauge}
    level:   {unit: m, coords: when}
    east:    {unit: km, coords: gauge}
    north:   {unit: km, coords: gauge}
  COORDS:
    when:  {unit: {tick: s}, chunk_size: 4}
    gauge: {composed: [east, north], chunk_size: 2}
"""
REAL = st.sampled_from([None, 0.0, 1.0, 2.5, 100.0])
WHOLE = st.sampled_from([None, 0, 1, 2, 9_007_199_254_740_993, 10**18])
CELLS = {
    "when": st.sampled_from([None, 0, 1, 2, 5, 9]),
    "east": st.sampled_from([None, 0.0, -1.0, 2.0]),
    "north": st.sampled_from([0.0, 1.0]),
    "stage": REAL,
    "count": WHOLE,
    "note": st.sampled_from([None, "", "abc", "long text"]),
    "state": st.sampled_from([None, "good", "bad", "odd"]),
    "owner": st.sampled_from([None, "me", "you"]),
    "level": st.sampled_from([None, 1.0, 2.0]),
}
TYPES = {
    "when": pl.Int64, "east": pl.Float64, "north": pl.Float64, "stage": pl.Float64, "count": pl.Int64,
    "note": pl.String, "state": pl.String, "owner": pl.String, "level": pl.Float64,
}  # fmt: skip
OPTIONAL = ("stage", "count", "note", "owner")


@st.composite
def frames(draw):
    """A frame of mostly usual columns; now and then one is text, or missing."""
    rows = draw(st.lists(st.fixed_dictionaries(CELLS), max_size=5))
    frame = pl.DataFrame(rows, schema=TYPES)
    form = draw(st.sampled_from(["usual", "usual", "text", "missing", "pandas"]))
    if form == "text":
        return frame.with_columns(pl.col(draw(st.sampled_from(sorted(TYPES)))).cast(pl.String))
    if form == "missing":
        return frame.drop(draw(st.sampled_from(OPTIONAL)))
    return frame.to_pandas() if form == "pandas" else frame


def facts(report):
    return (
        report.rows_in, report.rows_merged, report.rejected, report.rejected_counts, report.new_labels,
    )  # fmt: skip


def outcome(node, frame, how):
    """The report of an update, and why it was refused."""
    try:
        return node.update(frame, on_bad_rows=how), None
    except UpdateRefusedError as error:
        return error.report, error.problems


def opened(name):
    remove_store(STORE_URL=f"memory://{name}")
    return open_store(SCHEMA, STORE_URL=f"memory://{name}")


@settings(max_examples=examples(40))
@given(
    parts=st.lists(frames(), min_size=1, max_size=7),
    read=st.sets(st.integers(0, 6)),
    strict=st.sets(st.integers(0, 6), max_size=1),
)
def test_frames_of_a_transaction_merge_as_if_updated_one_by_one(parts, read, strict):
    together, single = opened("together"), opened("single")
    expected = []
    with together.transaction() as tx:
        for place, part in enumerate(parts):
            how = "fail" if place in strict else None
            report, problems = outcome(single["upper"], part, how)
            own, own_problems = outcome(tx["upper"], part, how)
            assert own_problems == problems
            if problems or place in read:
                assert facts(own) == facts(report)
            expected += [] if problems else [facts(report)]
    assert [facts(report) for report in tx.reports] == expected
    xr.testing.assert_identical(together["upper"].dataset.load(), single["upper"].dataset.load())
    assert together["upper"].schema == single["upper"].schema


def usual(when, **cells):
    row = {"when": when, "east": 1.0, "north": 1.0} | cells
    return pl.DataFrame([{name: row.get(name) for name in TYPES}], schema=TYPES)


def test_a_report_that_is_read_early_is_the_one_at_the_end():
    root = opened("early")
    with root.transaction() as tx:
        first, second, third = (tx["upper"].update(usual(when, stage=1.0)) for when in (0, 1, 1))
        assert isinstance(second, UpdateReport)
        assert second.new_labels == {"when": 1, "gauge": 0}
        assert third.new_labels == {"when": 0, "gauge": 0}
    assert [facts(report) for report in (first, second, third)] == [facts(one) for one in tx.reports]
    assert tx.reports[1].requests > 0 == second.requests


def test_a_report_that_is_asked_for_after_the_transaction_failed_says_so():
    root = opened("given-up")
    with contextlib.suppress(KeyboardInterrupt), root.transaction() as tx:
        reports = [tx["upper"].update(usual(when)) for when in (0, 1)]
        raise KeyboardInterrupt
    assert reports[0].rows_merged == 1
    with pytest.raises(TransactionError, match="given up"):
        assert reports[1].rows_merged


@pytest.mark.parametrize("form", ["polars", "pandas"])
def test_what_is_collected_does_not_follow_what_its_owner_makes_of_it(form):
    root = opened("owner")
    with root.transaction() as tx:
        for when in (0, 1, 2):
            frame = usual(when, stage=1.0, count=7, level=2.0)
            if form == "pandas":
                frame = frame.to_pandas()
                tx["upper"].update(frame)
                frame.loc[:, ["stage", "count", "level"]] = 3
            else:
                tx["upper"].update(frame)
                frame[0, "stage"] = frame[0, "level"] = 3.0
    assert root["upper"].read_df("stage")["stage"].round(4).to_list() == [0.3048] * 3
    assert root["upper"].read_df("count")["count"].to_list() == [7000] * 3
    assert root["upper"].read_df("level")["level"].to_list() == [2.0] * 3


def test_dense_arrays_may_be_used_again_before_the_commit():
    root = open_store(
        "x: {VARS: {v: {type: int64, coords: t}, w: {unit: m, coords: t}}, COORDS: {t: {unit: s}}}",
        STORE_URL="memory://again",
    )
    arrays = {"t": np.arange(3.0), "v": np.arange(3), "w": np.arange(3.0)}
    with root.transaction() as tx:
        tx["x"].update_dense(arrays)
        arrays["v"][:] = 9
        arrays["w"][:] = 9
    assert root["x"].dataset.v.values.tolist() == root["x"].dataset.w.values.tolist() == [0, 1, 2]


def test_a_column_no_frame_may_have_is_refused_at_the_call_behind_frames_that_wait():
    root = opened("refused")
    with root.transaction() as tx:
        for when in (0, 1):
            tx["upper"].update(usual(when))
        with pytest.raises(UpdateRefusedError, match="stage") as refused:
            tx["upper"].update(usual(2).with_columns(stage=pl.lit([1.0])))
        assert refused.value.report.rows_in == 1
        tx["upper"].update(usual(3))
    assert [report.rows_merged for report in tx.reports] == [1, 1, 1]
    assert root["upper"].dataset.sizes["when"] == 3


def test_what_fails_while_frames_are_joined_is_the_commits_fault_not_the_next_frames(monkeypatch):
    root = opened("crash")

    def broken(self):
        raise MemoryError("too much at once")

    monkeypatch.setattr("zarr_fuse.incoming.backlog.Batch.joined", broken)
    tx = root.transaction()
    tx.__enter__()
    for when in (0, 1):
        tx["upper"].update(usual(when))
    assert tx["upper"].update(usual(2), on_bad_rows="fail").rows_merged == 1
    with pytest.raises(MemoryError):
        tx.__exit__(None, None, None)
    assert not root["upper"].dataset.sizes


def test_large_frames_do_not_wait(monkeypatch):
    for module in ("backlog", "intake"):
        monkeypatch.setattr(f"zarr_fuse.incoming.{module}.SMALL_BYTES", 1000)
    root = opened("large")
    large = pl.concat([usual(when) for when in range(200)])
    with root.transaction() as tx:
        kinds = [type(tx["upper"].update(frame)) for frame in (usual(0), usual(1), large, large.to_pandas())]
        assert kinds[0] is kinds[2] is kinds[3] is UpdateReport
        assert kinds[1] is not UpdateReport
    assert [report.rows_merged for report in tx.reports] == [1, 1, 200, 200]
