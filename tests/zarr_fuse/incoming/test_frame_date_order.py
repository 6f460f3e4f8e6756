from __future__ import annotations

import polars as pl
import pytest

from tests.zarr_fuse.frames import dataset, found
from zarr_fuse import open_store
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.incoming.frame import convert

VALUE = "VARS: {v: {type: int64, coords: t}}\n"


def converted(times, source="{tick: s}", **options):
    schema = dataset(f"{VALUE}COORDS: {{t: {{unit: {{tick: D}}, source_unit: {source}}}}}")
    return convert(pl.DataFrame({"t": times, "v": range(len(times))}), schema, **options)


def days(done):
    return [str(day) for day in done.columns["t"].astype("datetime64[D]")]


class TestDayAndMonth:
    def test_a_time_read_against_the_order_of_its_column_is_found_and_stored(self):
        done = converted(["03.10.2026 00:00", "13.10.2026 00:00", "10.10.2026", "2026-03-04"])
        assert days(done) == ["2026-03-10", "2026-10-13", "2026-10-10", "2026-03-04"]
        assert done.keep.all()
        assert found(done) == [(0, "t", "time_ambiguous", "03.10.2026 00:00")]
        (finding,) = done.findings.rejected()
        assert finding.message == (
            "read month first, while another time of this column can only be day first: "
            "'dayfirst' in source_unit says what is meant"
        )

    @pytest.mark.parametrize(
        "times",
        [
            ["03/04/2026 1:05 PM", "13/04/2026 1:05 PM"],
            ["3. 4. 2026", "13. 4. 2026"],
            ["03-04-2026", "13-04-2026T06:00Z"],
            ["03/04/99", "13/04/99"],
        ],
    )
    def test_it_is_found_in_every_form_in_which_days_and_months_are_numbers(self, times):
        assert [row for row, *_ in found(converted(times))] == [0]

    def test_with_dayfirst_the_other_way_round(self):
        done = converted(["03/04/2026", "04/13/2026"], "{tick: s, dayfirst: true}")
        assert days(done) == ["2026-04-03", "2026-04-13"]
        assert found(done) == [(0, "t", "time_ambiguous", "03/04/2026")]
        assert done.findings.rejected()[0].message.startswith("read day first, while")

    @pytest.mark.parametrize(
        ("times", "source"),
        [
            (["03.10.2026", "04.10.2026"], "{tick: s}"),
            (["03.10.2026", "10.13.2026"], "{tick: s}"),
            (["03.10.2026", "13.10.2026"], "{tick: s, dayfirst: true}"),
            (["13.10.2026", "10.10.2026", "2026-03-10", "20260310", "10 Mar 2026"], "{tick: s}"),
            (["03.10.2026", "13.13.2026", "nonsense"], "{tick: s}"),
        ],
    )
    def test_without_a_witness_nothing_is_in_doubt(self, times, source):
        assert "time_ambiguous" not in converted(times, source).findings.counts

    def test_it_refuses_a_frame_that_must_be_without_findings(self):
        with pytest.raises(UpdateRefusedError, match="time_ambiguous"):
            converted(["03.10.2026", "13.10.2026"], on_bad_rows="fail")

    def test_a_variable_of_times_is_looked_at_too(self):
        schema = dataset("VARS: {v: {unit: {tick: D}, coords: x}}\nCOORDS: {x: {type: int64}}")
        done = convert(pl.DataFrame({"x": [0, 1], "v": ["03.10.2026", "13.10.2026"]}), schema)
        assert found(done) == [(0, "v", "time_ambiguous", "03.10.2026")]


class TestYearsOfTwoDigits:
    def test_a_time_read_year_first_beside_one_that_cannot_be_is_found(self):
        done = converted(["03/10/26", "03/14/26", "26-10-03"])
        assert days(done) == ["2003-10-26", "2026-03-14", "2026-10-03"]
        assert [row for row, *_ in found(done)] == [0, 2]
        assert "'yearfirst' in source_unit" in done.findings.rejected()[0].message

    def test_years_that_come_first_are_not_in_doubt(self):
        assert not found(converted(["26-10-03", "26-10-13", "26-12-31"]))


def test_frames_that_are_merged_together_bear_no_witness_for_each_other():
    root = open_store(
        {"n": {"VARS": {"v": {"type": "int64", "coords": "t"}}, "COORDS": {"t": {"unit": {"tick": "D"}}}}},
        STORE_URL="memory://date-order",
    )
    texts = (["2026-01-01"], ["03.10.2026", "04.10.2026"], ["03.11.2026", "13.11.2026"], ["05.10.2026"])
    with root.transaction() as tx:
        for times in texts:
            tx["n"].update(pl.DataFrame({"t": times, "v": range(len(times))}))
    counts = [report.rejected_counts for report in tx.reports]
    assert counts == [{}, {}, {"time_ambiguous": 1}, {}]
    assert [finding.row for finding in tx.reports[2].rejected] == [0]
