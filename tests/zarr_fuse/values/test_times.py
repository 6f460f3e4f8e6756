from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hypothesis_profiles import examples
from zarr_fuse.units import DateTimeUnit
from zarr_fuse.values.times import convert_times

UTC = DateTimeUnit("s")
PRAGUE = DateTimeUnit("s", tz="Europe/Prague")
NAT = "NaT"
ZONES = (
    "Europe/Prague",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC",
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def read(texts: list[object], source: DateTimeUnit = UTC, target: DateTimeUnit = UTC) -> list[str]:
    times = convert_times(pl.Series("", texts, strict=False), source, target)
    return times.counts.view(target.default_dtype()).astype(str).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05", "2024-03-05T00:00:00"),
        ("2024-03-05T06:07", "2024-03-05T06:07:00"),
        ("2024-03-05 06:07:08", "2024-03-05T06:07:08"),
        ("2024-03-05T06:07:08.987654321", "2024-03-05T06:07:08"),
        ("2024-03-05T06:07:08,5Z", "2024-03-05T06:07:08"),
        ("2024-03-05T06:07:08Z", "2024-03-05T06:07:08"),
        ("2024-03-05T06:07:08z", "2024-03-05T06:07:08"),
        ("2024-03-05T06:07:08+02:00", "2024-03-05T04:07:08"),
        ("2024-03-05T06:07:08-0330", "2024-03-05T09:37:08"),
        ("2024-03-05 06:07+05", "2024-03-05T01:07:00"),
        ("2024-03-05 06:07 +05:30", "2024-03-05T00:37:00"),
        ("2024-03-05 06:07 CET", "2024-03-05T05:07:00"),
        ("2024-03-05 06:07 UTC", "2024-03-05T06:07:00"),
        ("2024-07-05 06:07 EET", "2024-07-05T04:07:00"),
        ("2024-3-5 6:07", "2024-03-05T06:07:00"),
        ("2024-03-05 6:07:08", "2024-03-05T06:07:08"),
        ("2024-03-05T06", "2024-03-05T06:00:00"),
        ("20240305", "2024-03-05T00:00:00"),
        ("20240305T0607", "2024-03-05T06:07:00"),
        ("20240305T060708Z", "2024-03-05T06:07:08"),
        ("20240305060708", "2024-03-05T06:07:08"),
        ("2024-W10-2", "2024-03-05T00:00:00"),
        ("2024-065", "2024-03-05T00:00:00"),
        ("2024-03-04T24:00", "2024-03-05T00:00:00"),
        ("2024/03/05 06:07", "2024-03-05T06:07:00"),
        ("3/5/2024", "2024-03-05T00:00:00"),
        ("25.12.2024", "2024-12-25T00:00:00"),
        ("25-12-2024 06:07", "2024-12-25T06:07:00"),
        ("12/25/2024", "2024-12-25T00:00:00"),
        ("5 Mar 2024", "2024-03-05T00:00:00"),
        ("March 5, 2024 06:07", "2024-03-05T06:07:00"),
        ("5-Mar-2024", "2024-03-05T00:00:00"),
        ("Tue, 05 Mar 2024 06:07:08 +0100", "2024-03-05T05:07:08"),
        ("Tue Mar  5 06:07:08 UTC 2024", "2024-03-05T06:07:08"),
        ("5th March 2024 11:07 pm", "2024-03-05T23:07:00"),
        ("2024-03-05 12:07 AM", "2024-03-05T00:07:00"),
        ("24-03-05", "2024-03-05T00:00:00"),
        ("69-12-31", "1969-12-31T00:00:00"),
        ("68-12-31", "2068-12-31T00:00:00"),
        ("12/31/99", "1999-12-31T00:00:00"),
        ("  2024-03-05  ", "2024-03-05T00:00:00"),
        ("0001-01-01", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
    ],
)
def test_accepted_text(text, expected):
    assert read([text]) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *("10:30", "2024", "2024-03", "Mar 2024", "5 Mar", "3/2024", "2024-W10", "12", "12 10", "24"),
        *("175792680012", "17579268", "now", "today", "x", "2024-02-30", "2023-02-29", "2024-13-01"),
        *("2024-03-05T25:00", "2024-03-05T24:00:01", "2024-03-05T10:60", "2024-03-05T10:00:60", "2024-366x"),
        *("2024-03-05 13:00 pm", "2024-03-05 10:00 IST", "2024-03-05T10:00+25:00", "2024-03-05T10:00:00."),
        *("0000-01-01", "10000-01-01", "2024-03-05T10:00:00 foo", "5 Mar Apr 2024", "2023-366", "32.1.2024"),
        *("２０２４-03-05", "2024-03-05T1", "2024-03-05T10:00:0"),
    ],
)
def test_text_that_is_no_whole_time_is_unreadable(text):
    times = convert_times(pl.Series([text]), UTC, UTC)
    assert (times.unreadable.tolist(), times.missing.tolist()) == ([True], [False])


def test_missing_times_are_not_unreadable():
    times = convert_times(pl.Series(["NaT", "nan", "", "  ", None, "2024-03-05"]), UTC, UTC)
    assert times.missing.tolist() == [True] * 5 + [False]
    assert not times.unreadable.any()


class TestDayAndMonth:
    DAYFIRST = DateTimeUnit("s", dayfirst=True)

    @pytest.mark.parametrize(
        ("text", "month_first", "day_first"),
        [
            ("5/6/2024", "2024-05-06", "2024-06-05"),
            ("05.06.2024", "2024-05-06", "2024-06-05"),
            ("2024-05-06", "2024-05-06", "2024-05-06"),
            ("2024/5/6", "2024-05-06", "2024-05-06"),
            ("13/6/2024", "2024-06-13", "2024-06-13"),
            ("6/13/2024", "2024-06-13", "2024-06-13"),
            ("5 June 2024", "2024-06-05", "2024-06-05"),
        ],
    )
    def test_dayfirst_decides_only_what_allows_both_readings(self, text, month_first, day_first):
        assert read([text]) == [f"{month_first}T00:00:00"]
        assert read([text], self.DAYFIRST) == [f"{day_first}T00:00:00"]

    def test_yearfirst_decides_two_digit_years(self):
        not_first = DateTimeUnit("s", yearfirst=False)
        assert read(["01/02/03"]) == ["2001-02-03T00:00:00"]
        assert read(["01/02/03"], not_first) == ["2003-01-02T00:00:00"]
        assert read(["05-Jan-24"], not_first) == ["2024-01-05T00:00:00"]


class TestZones:
    def test_text_without_offset_is_local_time_of_the_source_zone_at_that_instant(self):
        assert read(["2024-01-01 12:00", "2024-07-01 12:00"], PRAGUE) == [
            "2024-01-01T11:00:00",
            "2024-07-01T10:00:00",
        ]

    def test_text_with_offset_ignores_the_source_zone(self):
        assert read(["2024-07-01T12:00Z", "2024-07-01T12:00+05:00"], PRAGUE) == [
            "2024-07-01T12:00:00",
            "2024-07-01T07:00:00",
        ]

    @pytest.mark.parametrize("target", [UTC, PRAGUE])
    def test_a_skipped_hour_is_unreadable(self, target):
        times = convert_times(
            pl.Series(["2024-03-31 01:59", "2024-03-31 02:30", "2024-03-31 03:00"]), PRAGUE, target
        )
        assert times.unreadable.tolist() == [False, True, False]

    def test_a_repeated_hour_is_the_first(self):
        assert read(["2024-10-27 02:30", "2024-10-27 03:00"], PRAGUE) == [
            "2024-10-27T00:30:00",
            "2024-10-27T02:00:00",
        ]

    def test_stored_times_are_local_in_the_zone_of_the_unit(self):
        assert read(["2024-07-01T10:00Z", "2024-01-01T10:00Z"], UTC, PRAGUE) == [
            "2024-07-01T12:00:00",
            "2024-01-01T11:00:00",
        ]

    def test_an_abbreviation_has_one_offset_all_year(self):
        assert read(["2024-07-01 12:00"], DateTimeUnit("s", tz="EET")) == ["2024-07-01T10:00:00"]

    def test_naive_datetimes_and_dates_are_local_and_zoned_ones_instants(self):
        naive = pl.Series(np.array(["2024-07-01T12:00"], "datetime64[us]"))
        assert read(naive.to_list(), PRAGUE) == ["2024-07-01T10:00:00"]
        zoned = naive.dt.replace_time_zone("America/New_York")
        assert convert_times(zoned, PRAGUE, UTC).counts.tolist() == [1719849600]
        assert read([dt.date(2024, 7, 1)], PRAGUE) == ["2024-06-30T22:00:00"]


class TestTicks:
    def test_times_are_floored_also_before_1970(self):
        assert read(["1969-12-31T23:59:59.9", "1970-01-01T00:00:00.9"]) == [
            "1969-12-31T23:59:59",
            "1970-01-01T00:00:00",
        ]
        assert read(["1969-12-31T23:00"], UTC, DateTimeUnit("D")) == ["1969-12-31"]

    def test_the_coarser_tick_counts(self):
        assert read(["2024-03-05T06:59:59"], DateTimeUnit("h"), UTC) == ["2024-03-05T06:00:00"]

    def test_a_multiple_floors_and_is_stored_in_the_plain_tick(self):
        unit = DateTimeUnit("15m")
        assert read(["2024-03-05T06:59", "1969-12-31T23:59"], unit, unit) == [
            "2024-03-05T06:45",
            "1969-12-31T23:45",
        ]
        assert read(["2024-03-05T06:59:59"], unit, UTC) == ["2024-03-05T06:45:00"]
        fine = DateTimeUnit("700ms")
        assert convert_times(pl.Series([1500, -1]), DateTimeUnit("ms"), fine).counts.tolist() == [1400, -700]

    def test_flooring_happens_on_the_wall_clock_of_the_unit(self):
        unit = DateTimeUnit("D", tz="+05:30")
        assert read(["2024-03-05T20:00Z"], UTC, unit) == ["2024-03-06"]

    def test_numbers_count_source_ticks_since_the_epoch_in_utc(self):
        assert read([0, -1, 60], PRAGUE) == [
            "1970-01-01T00:00:00",
            "1969-12-31T23:59:59",
            "1970-01-01T00:01:00",
        ]
        assert read([1757926800000], DateTimeUnit("ms")) == ["2025-09-15T09:00:00"]
        assert read([1.9, -0.5, np.nan]) == ["1970-01-01T00:00:01", "1969-12-31T23:59:59", NAT]
        assert read([1], DateTimeUnit("D")) == ["1970-01-02T00:00:00"]

    def test_numbers_too_large_for_a_time_are_unreadable(self):
        times = convert_times(pl.Series([2**62, 1]), DateTimeUnit("D"), UTC)
        assert times.unreadable.tolist() == [True, False]
        assert convert_times(pl.Series([np.inf, 1e300]), UTC, UTC).unreadable.all()
        assert convert_times(pl.Series([2**64 - 1], dtype=pl.UInt64), UTC, UTC).unreadable.all()

    def test_the_stored_nat_is_missing(self):
        assert convert_times(pl.Series([-(2**63)]), UTC, UTC).missing.all()

    def test_times_that_nanoseconds_cannot_hold_are_unreadable(self):
        fine = DateTimeUnit("ns")
        times = convert_times(pl.Series(["1500-01-01", "2024-01-01T00:00:00.123456789"]), fine, fine)
        assert times.unreadable.tolist() == [True, False]
        assert times.counts[1] == np.datetime64("2024-01-01T00:00:00.123456789").astype(np.int64)


def test_text_of_every_length_in_one_column():
    texts = [
        "2024-03-05",
        "2024-03-05T06:07:08.123456789+02:00",
        "5 Mar 2024",
        None,
        "x",
        " 2024-03-05 06:07 ",
    ] * 3
    assert read(texts)[:6] == read(texts)[6:12]
    assert read(texts)[-1] == "2024-03-05T06:07:00"


@settings(max_examples=examples(200))
@given(
    instant=st.datetimes(dt.datetime.fromisoformat("1800-01-01"), dt.datetime.fromisoformat("2200-01-01")),
    source=st.sampled_from(ZONES),
    target=st.sampled_from(ZONES),
    style=st.sampled_from(["offset", "local", "zulu", "datetime"]),
)
def test_any_instant_in_any_zone_arrives_on_the_right_wall_clock(instant, source, target, style):
    instant = instant.replace(tzinfo=dt.UTC)
    there = instant.astimezone(ZoneInfo(source))
    expected = instant.astimezone(ZoneInfo(target)).replace(tzinfo=None)
    if style == "local":
        again = there.replace(fold=0).astimezone(dt.UTC)
        expected = again.astimezone(ZoneInfo(target)).replace(tzinfo=None)
        column = pl.Series([there.replace(tzinfo=None).isoformat()])
    elif style == "offset":
        column = pl.Series([_minute_offset(instant)])
    elif style == "zulu":
        column = pl.Series([instant.isoformat().replace("+00:00", "Z")])
    else:
        column = pl.Series([there.replace(tzinfo=None)])
        expected = there.replace(fold=0).astimezone(dt.UTC).astimezone(ZoneInfo(target)).replace(tzinfo=None)
    times = convert_times(column, DateTimeUnit("us", tz=source), DateTimeUnit("us", tz=target))
    assert times.counts.view("datetime64[us]")[0] == np.datetime64(expected)


def _minute_offset(instant: dt.datetime) -> str:
    return instant.astimezone(dt.timezone(dt.timedelta(hours=-3, minutes=-30))).isoformat()


@settings(max_examples=examples(200))
@given(
    local=st.datetimes(dt.datetime.fromisoformat("1900-01-01"), dt.datetime.fromisoformat("2100-01-01")),
    zone=st.sampled_from(ZONES),
)
def test_local_times_exist_exactly_when_the_zone_has_them(local, zone):
    aware = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    exists = aware.astimezone(dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == local
    times = convert_times(pl.Series([local.isoformat()]), DateTimeUnit("us", tz=zone), DateTimeUnit("us"))
    assert times.unreadable.tolist() == [not exists]


FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%Y%m%d %H%M%S",
    "%Y%m%dT%H%M%S",
    "%a %b %d %H:%M:%S %Y",
    "%Y/%m/%d %I:%M:%S %p",
    "%G-W%V-%u %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
)


@settings(max_examples=examples(200))
@given(
    moment=st.datetimes(dt.datetime.fromisoformat("1000-01-01"), dt.datetime.fromisoformat("9999-01-01")),
    fmt=st.sampled_from(FORMATS),
)
def test_every_unambiguous_format_reads_what_it_wrote(moment, fmt):
    moment = moment.replace(microsecond=0)
    assert read([moment.strftime(fmt)]) == [moment.isoformat()]


@settings(max_examples=examples(200))
@given(text=st.text("0123456789-/.: TZ+JanFebuaryMchWednsd,", max_size=30))
def test_no_text_breaks_the_reading(text):
    times = convert_times(pl.Series([text]), UTC, UTC)
    assert len(times.counts) == 1


@pytest.mark.parametrize(
    ("text", "tick", "expected"),
    [
        ("1757926800", "s", "2025-09-15T09:00:00"),
        (" 1757926800000 ", "ms", "2025-09-15T09:00:00"),
        ("1757926800000000", "us", "2025-09-15T09:00:00"),
        ("1757926800000000000", "ns", "2025-09-15T09:00:00"),
        ("-1757926800", "s", "1914-04-18T15:00:00"),
    ],
)
def test_text_of_as_many_digits_as_no_date_has_counts_ticks(text, tick, expected):
    assert read([text, "2024-03-05"], source=DateTimeUnit(tick, tz="Europe/Prague"))[0] == expected
    assert read(["9999999999999999999"], source=DateTimeUnit("s")) == [NAT]
