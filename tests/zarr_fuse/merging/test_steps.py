"""Which labels an axis with step limits takes, and what it fills in between them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_fuse.errors import SchemaWarning, UpdateRefusedError
from zarr_fuse.merging import admission
from zarr_fuse.merging.steps import Steps
from zarr_fuse.schema import deserialize

SCHEMA = """
n:
  VARS:
    x:    {unit: m, coords: [t, site]}
    k:    {unit: "", type: int, coords: [t, site]}
    note: {unit: "", type: "str[4]", coords: [t, site]}
    seen: {unit: {tick: s}, coords: [t, site]}
    kind: {unit: "", type: "str[4]", coords: [t, site], range: {discrete: [a, b]}}
    wind: {unit: m/s, coords: t}
  COORDS:
    t:    {unit: {tick: s}, step_limits: [2, 5], chunk_size: 3}
    site: {unit: "", type: "str[4]", sorted: false, chunk_size: 2}
"""


def steps(coordinate):
    return Steps.of(deserialize(f"COORDS: {{t: {coordinate}}}").ds.COORDS["t"])


def times(*numbers, **columns):
    rows = {"t": list(numbers), "site": ["a"] * len(numbers), **columns}
    return pl.DataFrame(rows)


def stored(survey, name="x", site=0):
    data = survey.dataset("n")
    values = data[name].values
    values = values[:, site] if values.ndim == 2 else values
    seconds = data.t.values.astype("datetime64[s]").astype(int).tolist()
    return dict(zip(seconds, values.tolist(), strict=True))


def kinds(report):
    return [
        (one.row, one.column, one.value, one.kind) for one in report.rejected if one.kind != "column_missing"
    ]


@pytest.fixture
def node(survey):
    return survey.open(SCHEMA)["n"]


def test_first_frame_is_taken_as_it_is(survey, node):
    report = node.update(times(100, 0, 1, x=[3.0, 1.0, 2.0]))
    assert stored(survey) == {0: 1.0, 1: 2.0, 100: 3.0}
    assert not kinds(report)


def test_label_too_close_to_the_one_before_is_dropped_with_its_rows(survey, node):
    node.update(times(0, x=[0.0]))
    report = node.update(times(1, 2, 3, 4, 4, x=[1.0, 2.0, 3.0, 4.0, 5.0]))
    assert stored(survey) == {0: 0.0, 2: 2.0, 4: 5.0}
    assert kinds(report) == [
        (0, "t", "1970-01-01T00:00:01", "step_too_short"),
        (2, "t", "1970-01-01T00:00:03", "step_too_short"),
    ]
    assert report.rows_merged == 3


def test_too_long_step_is_filled_with_the_fewest_labels_floored_to_the_tick(survey, node):
    node.update(times(0, x=[0.0]))
    report = node.update(times(11, x=[11.0]))
    assert stored(survey) == {0: 0.0, 3: 3.0, 7: 7.0, 11: 11.0}
    assert report.new_labels == {"t": 3, "site": 0}
    assert report.rows_merged == 1


def test_label_between_stored_ones_is_late_but_stored_and_filled_in_ones_are_updated(survey, node):
    node.update(times(0, 10, x=[0.0, 10.0]))
    report = node.update(times(-5, 5, 10, x=[1.0, 2.0, 3.0]))
    assert kinds(report) == [
        (0, "t", "1969-12-31T23:59:55", "late_label"),
        (1, "t", "1970-01-01T00:00:05", "late_label"),
    ]
    assert stored(survey) == {0: 0.0, 10: 3.0}
    node.update(times(20, x=[13.0]))
    node.update(times(15, x=[99.0]))
    assert stored(survey) == {0: 0.0, 10: 3.0, 15: 99.0, 20: 13.0}


def test_numbers_are_interpolated_and_everything_else_is_taken_from_the_nearer_label(survey, node):
    first = {"x": [0.0], "k": [10], "note": ["old"], "seen": [100], "kind": ["a"], "wind": [1.0]}
    second = {"x": [12.0], "k": [20], "note": ["new"], "seen": [200], "kind": ["b"], "wind": [None]}
    node.update(times(0, **first))
    node.update(times(12, **second))
    assert stored(survey) == {0: 0.0, 4: 4.0, 8: 8.0, 12: 12.0}
    assert stored(survey, "k") == {0: 10, 4: 10, 8: 20, 12: 20}
    assert stored(survey, "note") == {0: "old", 4: "old", 8: "new", 12: "new"}
    assert stored(survey, "kind") == {0: 1, 4: 1, 8: 2, 12: 2}
    assert [value // 10**9 for value in stored(survey, "seen").values()] == [100, 100, 200, 200]
    assert [math.isnan(value) for value in stored(survey, "wind").values()] == [False, True, True, True]


def test_half_way_belongs_to_the_earlier_label(survey, node):
    node.update(times(0, k=[1]))
    node.update(times(10, k=[2]))
    assert stored(survey, "k") == {0: 1, 5: 1, 10: 2}


def test_cell_is_filled_only_between_two_values_and_on_the_labels_of_the_frame(survey, node):
    node.update(pl.DataFrame({"t": [0, 0], "site": ["a", "b"], "x": [0.0, 0.0]}))
    node.update(pl.DataFrame({"t": [10, 10], "site": ["a", "c"], "x": [10.0, 10.0]}))
    data = survey.dataset("n").x.values
    assert np.array_equal(data[1], [5.0, np.nan, np.nan], equal_nan=True)


def test_neighbours_may_come_from_one_frame(survey, node):
    node.update(times(0, x=[0.0]))
    node.update(times(20, 4, 10, 0, x=[20.0, 4.0, 10.0, 100.0]))
    assert stored(survey) == {0: 100.0, 4: 4.0, 7: 7.0, 10: 10.0, 15: 15.0, 20: 20.0}


def test_frames_of_one_transaction_are_walked_one_by_one(survey, node):
    with node.transaction() as transaction:
        writer = transaction["n"]
        writer.update(times(0, x=[0.0]))
        writer.update(times(10, x=[10.0]))
        writer.update(times(0, 5, x=[50.0, None]))
        late = writer.update(times(7, x=[1.0]))
        writer.update(times(20, x=[20.0]))
    assert stored(survey) == {0: 50.0, 5: 5.0, 10: 10.0, 15: 15.0, 20: 20.0}
    assert [kind for *_, kind in kinds(late)] == ["late_label"]


def test_rows_that_are_dropped_for_another_reason_are_no_steps(survey, node):
    node.update(times(0, wind=[1.0]))
    rows = {"t": [2, 2, 3], "site": ["a", "b", "a"], "wind": [1.0, 2.0, 3.0]}
    report = node.update(pl.DataFrame(rows))
    assert [kind for *_, kind in kinds(report)] == ["contradiction", "contradiction"]
    assert stored(survey, "wind") == {0: 1.0, 3: 3.0}


def test_contradicting_rows_are_shown_with_labels_and_times(survey):
    variables = (
        'kind: {unit: "", type: "str[4]", coords: t, range: {discrete: [a, b]}}, '
        "seen: {unit: {tick: s}, coords: t}, x: {unit: m, coords: [t, s]}"
    )
    node = survey.open(f"n: {{VARS: {{{variables}}}, COORDS: {{t: {{type: int}}, s: {{type: int}}}}}}")["n"]
    report = node.update(pl.DataFrame({"t": [0, 0], "s": [0, 1], "kind": ["a", "b"], "seen": [0, 60]}))
    assert [(row, column, value) for row, column, value, _ in kinds(report)] == [
        (0, "kind", "a"),
        (0, "seen", "1970-01-01T00:00:00"),
        (1, "kind", "b"),
        (1, "seen", "1970-01-01T00:01:00"),
    ]


def test_findings_of_steps_refuse_the_frame_when_bad_rows_must_fail(survey, node):
    node.update(times(0, x=[0.0]))
    with pytest.raises(UpdateRefusedError, match="step_too_short"):
        node.update(times(1, x=[1.0]), on_bad_rows="fail")
    assert stored(survey) == {0: 0.0}


def test_frame_that_would_fill_in_millions_of_labels_is_refused(survey, node, monkeypatch):
    monkeypatch.setattr(admission, "FILL_LIMIT", 10)
    node.update(times(0, x=[0.0]))
    with pytest.raises(UpdateRefusedError, match="t: 19 labels"):
        node.update(times(100, x=[1.0]))
    node.update(times(50, x=[1.0]))
    assert len(stored(survey)) == 11


def test_limits_on_an_axis_that_cannot_have_them_are_ignored_with_a_warning(survey):
    text = SCHEMA.replace("sorted: false", "sorted: false, step_limits: [1, 2]")
    with pytest.warns(SchemaWarning, match="ignored here"):
        node = survey.open(text)["n"]
    node.update(times(0, x=[0.0]))
    assert not kinds(node.update(pl.DataFrame({"t": [0], "site": ["0"], "x": [1.0]})))


@pytest.mark.parametrize(
    ("coordinate", "shortest", "longest"),
    [
        ("{unit: {tick: s}, step_limits: [0.5, 2, hour]}", 1800, 7200),
        ("{unit: {tick: s}, step_limits: [1, 2, m]}", 60, 120),
        ("{unit: {tick: h}, step_limits: [90, 90, m]}", 2, 1),
        ("{unit: {tick: s}, step_limits: [0.1, 1.5]}", 1, 1),
        ("{type: int, step_limits: [0, 2]}", 0, 2),
        ("{unit: degC, step_limits: [1, 9, delta_degF]}", 5 / 9, 5),
    ],
)
def test_limits_are_in_ticks_or_in_the_unit_of_the_axis(coordinate, shortest, longest):
    found = steps(coordinate)
    assert (found.shortest, found.longest) == pytest.approx((shortest, longest))


def test_steps_of_a_tick_with_a_multiple_stay_on_it():
    with pytest.warns(SchemaWarning):
        found = steps('{unit: {tick: "15m"}, step_limits: [0, 40]}')
    gaps = found.gaps(np.array([0]), np.array([90]))
    assert found.fill(gaps).labels.tolist() == [30, 60]


def test_decimal_steps_are_not_lost_to_rounding():
    found = steps("{unit: m, step_limits: [0.1, 0.1]}")
    labels = np.arange(1, 100) * 0.1
    assert not found.too_short(np.zeros(1), labels).any()
    assert found.gaps(np.zeros(1), labels).missing == 0


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint64", "float32"])
def test_distances_do_not_overflow(dtype):
    found = steps(f"{{type: {dtype}, step_limits: [100, .inf]}}")
    limits = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
    labels = np.array([limits.max - limits.max // 2, limits.max], dtype=dtype)
    assert found.too_short(np.array([limits.min], dtype=dtype), labels).tolist() == [False, dtype == "int8"]
    assert not len(found.gaps(np.array([limits.min], dtype=dtype), labels).parts)


@given(
    st.integers(-30, 30),
    st.sets(st.integers(1, 60), min_size=1).map(sorted),
    st.integers(-1, 7),
    st.integers(0, 7),
)
def test_walk_takes_what_a_walk_by_hand_takes_and_leaves_no_step_outside_the_limits(
    last, above, shortest, more
):
    limits = Steps(shortest, max(1, shortest + more))
    labels = np.array([last + step for step in above])
    taken, before = [], last
    for label in labels.tolist():
        if label - before >= shortest:
            taken.append(label)
            before = label
    start = np.array([last])
    assert labels[~limits.too_short(start, labels)].tolist() == taken
    halves = Steps(shortest / 2, limits.longest).too_short(start / 2, labels / 2)
    assert labels[~halves].tolist() == taken
    filled = limits.fill(limits.gaps(start, np.array(taken, dtype=np.int64)))
    ladder = sorted([last, *taken, *filled.labels.tolist()])
    assert max(np.diff(ladder), default=0) <= limits.longest
    expected = []
    for lower, upper in zip([last, *taken], taken, strict=False):
        parts = math.ceil(Fraction(upper - lower) / Fraction(limits.longest))
        expected += [lower + (upper - lower) * number // parts for number in range(1, parts)]
    assert filled.labels.tolist() == expected
