from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packages.common.models.metadata_model import ItemError, ItemMetadata, Outcome, RejectedRow
from tests.rigs.project import RECORDINGS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RECORDED = RECORDINGS / "yr_no"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1).map(lambda name: f"x{name}"), json_values, max_size=5))
def test_unknown_keys_survive_a_round_trip(extra):
    text = json.dumps({"received_at": "2026-11-20T12:00:00Z", **extra})
    again = json.loads(ItemMetadata.model_validate_json(text).to_json())
    assert {key: again[key] for key in extra} == extra


def test_times_are_written_in_utc_with_z():
    local = NOON.astimezone(timezone(timedelta(hours=-5)))
    written = json.loads(ItemMetadata(received_at=local, retry_at=local).to_json())
    assert (written["received_at"], written["retry_at"]) == ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z")
    assert ItemMetadata.model_validate({"received_at": "2026-11-20T12:00:00"}).received_at == NOON


def test_no_node_path_is_null_as_existing_tools_read_it():
    assert json.loads(ItemMetadata(received_at=NOON).to_json())["node_path"] is None
    assert json.loads(ItemMetadata(received_at=NOON, node_path="a/b").to_json())["node_path"] == "a/b"
    assert ItemMetadata.model_validate({"received_at": NOON, "node_path": None}).node_path == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [(np.float64("nan"), "nan"), (np.int8(3), 3), (np.float32(0.5), 0.5), (np.str_("a"), "a"),
     (float("inf"), "inf"), (NOON, "2026-11-20 12:00:00+00:00"), (b"x", "b'x'"), (None, None), (True, True),
     (np.datetime64("2026-11-20"), "2026-11-20"), (2**70, 2**70)],
)  # fmt: skip
def test_values_of_rejected_rows_become_json(value, written):
    row = RejectedRow(row=1, column="v", value=value, kind="out_of_range")
    assert json.loads(row.model_dump_json())["value"] == written
    assert json.loads(ItemError(kind="x", message="y", value=value).model_dump_json())["value"] == written


def test_outcome_keeps_the_first_hundred_rejected_rows():
    rows = [RejectedRow(row=number, kind="out_of_range") for number in range(150)]
    outcome = Outcome(
        state="failed", finished_at=NOON, rejected_rows=rows, rejected_counts={"out_of_range": 150}
    )
    assert [row.row for row in outcome.rejected_rows] == list(range(100))
    assert outcome.rejected_counts == {"out_of_range": 150}


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded inputs are not beside this clone")
def test_recorded_metadata_is_read_and_kept():
    (path,) = RECORDED.glob("*.meta.json")
    recorded = json.loads(path.read_text(encoding="utf-8"))
    again = json.loads(ItemMetadata.model_validate(recorded).to_json())
    assert {key: again[key] for key in recorded} == recorded
