from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from zarr_fuse.report import Findings, UpdateReport


def test_all_findings_are_counted_and_the_first_thousand_listed_in_row_order():
    findings = Findings()
    findings.add("out_of_range", "b", np.arange(5000)[::-1], np.arange(5000)[::-1], "outside")
    findings.add("not_convertible", "a", [3], ["x"], "not a number")
    report = findings.report(rows_in=5000, rows_merged=10)
    assert report.rejected_counts == {"out_of_range": 5000, "not_convertible": 1}
    assert len(report.rejected) == 1000
    assert [finding.row for finding in report.rejected[:6]] == [0, 1, 2, 3, 3, 4]
    assert report.rejected[2].value == "2"
    assert (report.rows_in, report.rows_merged) == (5000, 10)


def test_a_finding_of_a_whole_column_has_no_row_and_comes_first():
    findings = Findings()
    findings.add("not_in_set", "a", [0], ["?"])
    findings.add("column_missing", "b", message="no column 'b'")
    first = findings.rejected()[0]
    assert (first.row, first.column, first.kind, first.message) == (
        None,
        "b",
        "column_missing",
        "no column 'b'",
    )


def test_values_may_be_series_arrays_lists_or_one_value():
    findings = Findings()
    findings.add("k", "a", [1, 0], pl.Series(["one", None]))
    findings.add("k", "b", [1, 0], np.array(["2020-01-02", "2020-01-01"], "datetime64[D]"))
    findings.add("k", "c", [0], "same")
    assert [(row.column, row.row, row.value) for row in findings.rejected()] == [
        ("a", 0, None),
        ("b", 0, "2020-01-01"),
        ("c", 0, "same"),
        ("a", 1, "one"),
        ("b", 1, "2020-01-02"),
    ]


def test_merging_shifts_rows_and_leaves_the_source_alone():
    one, two = Findings(), Findings()
    one.add("k", "a", [0], ["x"])
    two.add("k", "a", [1], ["y"])
    two.add("column_missing", "b")
    one.extend(two, offset=10)
    assert [row.row for row in one.rejected()] == [None, 0, 11]
    assert [row.row for row in two.rejected()] == [None, 1]
    assert [row.row for row in two.shifted(5).rejected()] == [None, 6]
    assert len(one) == 3


def test_problems_leave_out_missing_columns_and_name_the_first_row():
    findings = Findings()
    findings.add("column_missing", "b")
    findings.add("out_of_range", "a", [9, 7], [41.5, 42.5], "outside [0, 40]")
    assert findings.problems() == ["a: 2 × out_of_range (outside [0, 40]), first in row 7: '42.5'"]


def test_no_rows_no_finding():
    findings = Findings()
    findings.add("k", "a", [], [])
    assert not findings
    assert findings.counts == {}


def test_long_values_are_shortened():
    findings = Findings()
    findings.add("k", "a", [0], ["x" * 10_000])
    value = findings.rejected()[0].value
    assert value is not None
    assert len(value) == 200


def test_completed_report_is_a_copy():
    report = UpdateReport(rows_in=3)
    done = report.completed(chunks_written=2, snapshot="s", new_labels={"when": 1})
    assert (report.chunks_written, done.chunks_written, done.snapshot) == (0, 2, "s")
    with pytest.raises(TypeError):
        report.completed(nonsense=1)
