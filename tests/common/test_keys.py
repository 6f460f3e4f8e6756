from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from packages.common.errors import NodePathError
from packages.common.keys import (
    ItemState,
    checked_item_id,
    checked_name,
    extension_of,
    metadata_key,
    new_item_id,
    normalise_node_path,
    parse_key,
    payload_key,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EXTENSIONS = ("csv", "json", "parquet", "nc", "h5", "grib", "grib.bz2", "tar", "bin")


def test_item_id_holds_endpoint_node_time_and_unique_part():
    item_id = new_item_id("weather", "level1", datetime(2026, 11, 20, 8, 15, tzinfo=UTC), "3b200e72354d")
    assert item_id == "weather/level1/20261120T081500_3b200e72354d"
    assert payload_key(ItemState.ACCEPTED, item_id, "csv") == f"accepted/{item_id}.csv"
    assert metadata_key(ItemState.FAILED, item_id, "csv") == f"failed/{item_id}.csv.meta.json"


def test_item_id_time_is_utc():
    local = datetime(2026, 11, 20, 8, 15, tzinfo=timezone(timedelta(hours=2)))
    assert new_item_id("w", "", local, "0" * 12) == "w/20261120T061500_000000000000"


def test_item_ids_of_the_same_moment_differ():
    assert len({new_item_id("w", "", NOON) for _ in range(30)}) == 30


def test_item_ids_of_one_second_are_in_the_order_of_their_times():
    moments = [NOON + timedelta(microseconds=step) for step in (0, 1, 999, 1000, 500_000, 999_999, 1_000_000)]
    ids = [new_item_id("w", "", moment) for moment in moments]
    assert ids == sorted(ids)


@pytest.mark.parametrize("unique", ["", "ABCDEFABCDEF", "0" * 11, "0" * 13, "../../../../"])
def test_unique_part_must_be_twelve_hex_digits(unique):
    with pytest.raises(ValueError, match="12 lower-case hex"):
        new_item_id("w", "", NOON, unique)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("", ""),
        ("/", ""),
        ("a", "a"),
        ("/a/b/", "a/b"),
        ("a b/c.d", "a b/c.d"),
        ("..a/b..", "..a/b.."),
        ("ü", "ü"),
    ],
)
def test_node_path_is_relative_without_outer_slashes(raw, path):
    assert normalise_node_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    ["..", "a/..", "../a", "a/../b", ".", "a/./b", "...", "a//b", "//", "//a", "a//", "a\\b", "..\\a", "a\0b",
     "a\nb", "a\x7fb", "a\x85b", "a\u2028b", "a\u202eb", "a /b", " a", "a/ ", "\ud800", "a" * 513, "é" * 257],
)  # fmt: skip
def test_node_path_that_could_escape_or_break_a_key_is_refused(raw):
    with pytest.raises(NodePathError):
        normalise_node_path(raw)


def test_node_path_may_have_exactly_512_bytes():
    assert normalise_node_path("é" * 256) == "é" * 256


@pytest.mark.parametrize("name", ["", "a/b", "/a", "..", "a\n"])
def test_endpoint_name_is_one_segment(name):
    with pytest.raises(NodePathError):
        checked_name(name)


@given(st.text(max_size=40))
def test_accepted_node_path_stays_below_the_prefix(raw):
    try:
        path = normalise_node_path(raw)
    except NodePathError:
        return
    assert normalise_node_path(path) == path
    item_id = new_item_id("weather", path, NOON)
    segments = payload_key(ItemState.ACCEPTED, item_id, "csv").split("/")
    assert segments[:2] == ["accepted", "weather"]
    assert not {"", ".", ".."} & set(segments)
    assert checked_item_id(item_id) == item_id


segments = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=8)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
paths = st.lists(segments, max_size=4).map("/".join)


@given(paths, st.sampled_from(ItemState), st.sampled_from(EXTENSIONS), moments)
def test_key_round_trip(raw, state, extension, received_at):
    try:
        path = normalise_node_path(raw)
    except NodePathError:
        assume(False)
    item_id = new_item_id("weather", path, received_at)
    payload = parse_key(payload_key(state, item_id, extension))
    metadata = parse_key(metadata_key(state, item_id, extension))
    assert payload == (state, item_id, extension, False)
    assert metadata == (state, item_id, extension, True)


@given(st.text("ab./_", max_size=20), st.sampled_from(["accepted/", "failed/", "processed/"]))
def test_any_key_that_parses_is_rebuilt_from_its_parts(rest, state):
    parts = parse_key(state + rest)
    if parts is not None:
        build = metadata_key if parts.is_metadata else payload_key
        assert build(parts.state, parts.item_id, parts.extension) == state + rest


@pytest.mark.parametrize(
    "key",
    [
        "",
        "accepted",
        "accepted/",
        "other/a.csv",
        "accepted//a.csv",
        "accepted/.hidden",
        "accepted/a/.b",
        "a.csv",
    ],
)
def test_keys_of_others_are_not_parsed(key):
    assert parse_key(key) is None


def test_metadata_of_a_foreign_name_is_told_from_payload():
    assert parse_key("accepted/w/notes.txt") == (ItemState.ACCEPTED, "w/notes", "txt", False)
    assert parse_key("accepted/w/noext") == (ItemState.ACCEPTED, "w/noext", "", False)


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [
        ("text/csv", "csv"), ("TEXT/CSV; charset=utf-8", "csv"), ("application/json", "json"),
        ("application/x-ndjson", "json"), ("application/vnd.apache.parquet", "parquet"),
        ("application/x-netcdf", "nc"), ("application/x-hdf5", "h5"), ("application/x-grib", "grib"),
        ("application/x-tar", "tar"), ("image/png", "bin"), ("", "bin"),
    ],
)  # fmt: skip
def test_extension_follows_the_content_type(content_type, extension):
    assert extension_of(content_type) == extension


def test_compressed_grib_has_its_own_extension():
    assert extension_of("application/x-grib", "bzip2") == "grib.bz2"


def test_later_states_come_later():
    assert list(ItemState) == ["accepted", "failed", "processed"]
