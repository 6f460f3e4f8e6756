from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from zarr_fuse.errors import SchemaWarning, UpdateRefusedError

SCHEMA = """
station:
  VARS:
    level: {unit: m, source_unit: ft, coords: [time, site]}
    count: {unit: "", type: int, coords: [time, site]}
    owner: {unit: "", type: "str[8]", coords: site}
    state: {unit: "", type: "str[8]", coords: [time, site], range: {discrete: [good, bad]}}
  COORDS:
    time: {unit: {tick: s}, chunk_size: 3}
    site: {unit: "", type: "str[8]", sorted: false, chunk_size: 2}
"""
CLOSED = SCHEMA.replace('site: {unit: ""', 'site: {step_limits: no_new, unit: ""')


def frame(*rows, columns=("time", "site", "level")):
    return pl.DataFrame([dict(zip(columns, row, strict=True)) for row in rows])


def level(survey):
    data = survey.dataset("station")
    feet = (data.level / 0.3048).round(6)
    times = data.time.values.astype("datetime64[s]").astype(int).tolist()
    return {
        (time, str(site)): float(feet[row, column])
        for row, time in enumerate(times)
        for column, site in enumerate(data.site.values)
        if not np.isnan(feet[row, column])
    }


def seconds(survey):
    return survey.dataset("station").time.values.astype("datetime64[s]").astype(int).tolist()


def found(report):
    return {(one.row, one.column, one.value, one.kind) for one in report.rejected if one.row is not None}


@pytest.fixture
def node(survey):
    return survey.open(SCHEMA)["station"]


def test_late_row_is_inserted_where_it_belongs_and_moves_nothing_wrong(survey, node):
    node.update(frame(*[(10 * step, "a", float(step)) for step in range(8)]))
    report = node.update(frame((35, "a", 99.0)))
    assert report.new_labels == {"time": 1, "site": 0}
    assert seconds(survey) == [0, 10, 20, 30, 35, 40, 50, 60, 70]
    assert level(survey) == {(10 * step, "a"): float(step) for step in range(8)} | {(35, "a"): 99.0}


def test_axis_stays_sorted_under_reversed_and_straddling_frames(survey, node):
    for times in ([50, 30], [40, 10, 60], [0]):
        node.update(frame(*[(time, "a", 1.0) for time in times]))
    assert survey.dataset("station").time.values.astype("datetime64[s]").astype(int).tolist() == [
        0,
        10,
        30,
        40,
        50,
        60,
    ]


def test_later_rows_and_frames_win_but_a_missing_value_never_overwrites(survey, node):
    node.update(frame((0, "a", 1.0), (0, "a", 2.0), (0, "a", None)))
    assert level(survey) == {(0, "a"): 2.0}
    node.update(frame((0, "a", None), (5, "a", float("nan"))))
    assert level(survey) == {(0, "a"): 2.0}
    node.update(frame((0, "a", 3.0)))
    assert level(survey) == {(0, "a"): 3.0}


def test_row_without_values_still_adds_its_labels(survey, node):
    node.update(frame((0, "a", None)))
    assert survey.dataset("station").sizes == {"time": 1, "site": 1}


def test_partial_frame_leaves_the_other_variables_alone(survey, node):
    node.update(frame((0, "a", 1.0, 7), columns=("time", "site", "level", "count")))
    report = node.update(frame((0, "a", 8), (1, "b", 9), columns=("time", "site", "count")))
    assert "level" in [finding.column for finding in report.rejected if finding.kind == "column_missing"]
    assert level(survey) == {(0, "a"): 1.0}
    counts = survey.dataset("station")["count"].values.tolist()
    assert counts == [[8, -(2**63)], [-(2**63), 9]]


def test_new_station_gets_its_own_column_and_leaves_the_old_ones(survey, node):
    node.update(frame(*[(time, "b", float(time)) for time in range(5)]))
    node.update(frame((2, "a", 20.0), (7, "c", 70.0)))
    assert survey.dataset("station").site.values.tolist() == ["b", "a", "c"]
    assert level(survey) == {(time, "b"): float(time) for time in range(5)} | {(2, "a"): 20.0, (7, "c"): 70.0}


def test_repeated_update_changes_no_byte_of_the_dataset(survey, node):
    rows = frame((0, "a", 1.0), (9, "b", 2.0))
    node.update(rows)
    before = survey.objects()
    report = node.update(rows)
    assert survey.objects() == before
    assert (report.chunks_written, report.rows_merged, report.new_labels) == (0, 2, {"time": 0, "site": 0})


def test_values_that_contradict_each_other_at_one_label_drop_their_rows_with_the_reason(survey, node):
    columns = ("time", "site", "level", "owner")
    rows = [
        (0, "a", 1.0, "Anna"),
        (1, "a", 2.0, "Bela"),
        (2, "a", 3.0, None),
        (0, "b", 4.0, "Cyril"),
        (1, "b", 5.0, "Cyril"),
    ]
    report = node.update(frame(*rows, columns=columns))
    assert found(report) == {(0, "owner", "Anna", "contradiction"), (1, "owner", "Bela", "contradiction")}
    assert level(survey) == {(2, "a"): 3.0, (0, "b"): 4.0, (1, "b"): 5.0}
    assert report.rows_merged == 3


def test_identical_rows_are_reduced_before_they_can_contradict(survey, node):
    columns = ("time", "site", "level", "owner")
    report = node.update(frame((0, "a", 1.0, "Anna"), (0, "a", 2.0, "Bela"), columns=columns))
    assert "contradiction" not in report.rejected_counts
    assert survey.dataset("station").owner.values.tolist() == ["Bela"]


def test_another_value_in_a_later_frame_replaces(survey, node):
    columns = ("time", "site", "level", "owner")
    node.update(frame((0, "a", 1.0, "Anna"), columns=columns))
    node.update(frame((1, "a", 1.0, "Bela"), columns=columns))
    assert survey.dataset("station").owner.values.tolist() == ["Bela"]


def test_bad_cell_becomes_missing_and_a_bad_coordinate_drops_its_row(survey, node):
    text = pl.DataFrame(
        {
            "time": ["1970-01-01", "1970-01-01T00:00:01", "x"],
            "site": ["a", "a", "a"],
            "level": ["1", "1,5", "3"],
        }
    )
    report = node.update(text)
    found = {(one.row, one.column, one.value, one.kind) for one in report.rejected if one.row is not None}
    assert found == {(1, "level", "1,5", "not_convertible"), (2, "time", "x", "coordinate_unreadable")}
    assert level(survey) == {(0, "a"): 1.0}
    assert survey.dataset("station").sizes["time"] == 2


def test_frame_is_refused_with_all_causes_and_nothing_is_stored(survey, node):
    with pytest.raises(UpdateRefusedError) as refused:
        node.update(pl.DataFrame({"level": [[1.0]], "site": ["a"]}))
    assert len(refused.value.problems) == 2
    assert not survey.dataset("station").variables


def test_any_finding_refuses_the_frame_when_bad_rows_must_fail(survey, node):
    with pytest.raises(UpdateRefusedError, match="not_in_set"):
        node.update(frame((0, "a", "ugly"), columns=("time", "site", "state")), on_bad_rows="fail")
    node.update(frame((0, "a", "good"), columns=("time", "site", "state")), on_bad_rows="fail")
    assert survey.dataset("station").state.values.tolist() == [[1]]


def test_closed_axis_takes_its_first_labels_and_then_no_others(survey):
    node = survey.open(CLOSED)["station"]
    node.update(frame((0, "a", 1.0), (0, "b", 2.0)))
    report = node.update(frame((1, "a", 3.0), (1, "c", 4.0)))
    assert [(one.row, one.value, one.kind) for one in report.rejected if one.row is not None] == [
        (1, "c", "no_new_label")
    ]
    assert level(survey) == {(0, "a"): 1.0, (0, "b"): 2.0, (1, "a"): 3.0}


def test_frame_without_a_valid_row_is_a_report_and_nothing_else_also_as_the_first(survey, node):
    report = node.update(frame(("never", "a", 1.0)))
    assert (report.rows_in, report.rows_merged, report.rejected_counts["coordinate_unreadable"]) == (1, 0, 1)
    assert not survey.dataset("station").variables


def test_open_type_is_fixed_by_the_first_frame_that_has_the_column(survey):
    node = survey.open(
        "n: {VARS: {tag: {coords: t}, x: {unit: m, coords: t}}, COORDS: {t: {unit: {tick: s}}}}"
    )["n"]
    node.update(pl.DataFrame({"t": [0], "x": [1.0]}))
    assert "tag" not in survey.dataset("n")
    with pytest.warns(SchemaWarning, match="tag"):
        node.update(pl.DataFrame({"t": [1], "tag": [7]}))
    assert survey.dataset("n").tag.values.tolist() == [-(2**63), 7]
    assert survey.open(None)["n"].schema.VARS["tag"].type.name == "int64"


def test_pandas_and_polars_frames_merge_alike(survey, node):
    node.update(
        pd.DataFrame({"time": pd.to_datetime([0, 1], unit="s"), "site": ["a", "b"], "level": [1.0, 2.0]})
    )
    assert level(survey) == {(0, "a"): 1.0, (1, "b"): 2.0}


def test_sharded_arrays_grow_and_are_overwritten(survey):
    schema = (
        "n: {VARS: {x: {unit: m, coords: t}}, COORDS: {t: {unit: {tick: s}, chunk_size: 2, shard_size: 6}}}"
    )
    node = survey.open(schema)["n"]
    for start in range(0, 20, 3):
        node.update(pl.DataFrame({"t": list(range(start, start + 5)), "x": [float(start)] * 5}))
    data = survey.dataset("n")
    assert data.x.values.tolist() == [float(min(18, 3 * (time // 3))) for time in range(23)]
    assert data.x.encoding["shards"] == (6,)


def test_dense_grid_is_merged_cell_by_cell(survey, node):
    meters = np.array([[1.0, 2.0], [3.0, np.nan]])
    node.update_dense({"time": np.array([0, 1]), "site": np.array(["a", "b"]), "level": meters})
    assert np.array_equal(survey.dataset("station").level.values, meters, equal_nan=True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"level": np.zeros((3, 2))}, "shape"),
        ({"depth": np.zeros(2)}, "no such name"),
        ({"site": np.array(["a", "a"])}, "repeated"),
        ({"site": None}, "missing"),
    ],
)
def test_wrong_dense_grid_is_refused(node, change, problem):
    arrays = {"time": np.array([0, 1]), "site": np.array(["a", "b"]), "level": np.zeros((2, 2)), **change}
    with pytest.raises(UpdateRefusedError, match=problem):
        node.update_dense({name: array for name, array in arrays.items() if array is not None})


def test_dataset_comes_back_as_it_was_merged(survey, node):
    source = xr.Dataset(
        {
            "level": (("site", "time"), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
            "count": (("time", "site"), np.arange(6).reshape(3, 2)),
            "owner": ("site", ["Anna", "Bela"]),
            "state": (("time", "site"), [["good", "bad"]] * 3),
        },
        coords={"time": np.array([0, 1, 2], "datetime64[s]"), "site": ["a", "b"]},
    )
    merged = node.update_from_ds(source)
    stored = survey.dataset("station")
    assert np.array_equal(stored.level.values, source.level.values.T)
    assert np.array_equal(stored["count"].values, source["count"].values)
    assert stored.owner.values.tolist() == ["Anna", "Bela"]
    assert set(merged.variables) == set(source.variables)
    assert node.last_report.rows_merged == 6


def test_dataset_that_does_not_fit_is_refused_with_all_causes(node):
    with pytest.raises(UpdateRefusedError) as refused:
        node.update_from_ds(
            xr.Dataset({"level": ("time", [1.0])}, coords={"time": np.array([0], "datetime64[s]")})
        )
    assert {problem.partition(":")[0] for problem in refused.value.problems} == {
        "site",
        "level",
        "count",
        "owner",
        "state",
    }
