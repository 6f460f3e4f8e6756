"""What a schema takes depends on the names and types of columns, so that it is tried once and remembered."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingress_service.errors import ColumnsMissingError
from services.ingress_service.web.uploads import checks
from services.ingress_service.web.uploads.checks import PayloadCheck, check_payload
from tests.hypothesis_profiles import examples
from tests.ingress.live import CSV, SCHEMA
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.incoming.frame import convert
from zarr_fuse.schema import deserialize

STATION = deserialize(SCHEMA, "tree").groups["station"].ds
cells = st.one_of(
    st.none(), st.text(max_size=20), st.sampled_from(["1e400", "nan", "2026-13-01", "-inf", "0x1"])
)
values = st.one_of(
    st.lists(cells, min_size=1, max_size=4).map(lambda found: pl.Series(found, dtype=pl.String)),
    st.lists(st.floats(), min_size=1, max_size=4).map(lambda found: pl.Series(found, dtype=pl.Float64)),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4).map(
        lambda found: pl.Series(found, dtype=pl.Int64)
    ),
)


def refused(frame: pl.DataFrame) -> bool:
    try:
        convert(frame, STATION)
    except UpdateRefusedError:
        return True
    return False


@given(values, st.sampled_from(["time", "name", "temperature", "humidity"]))
@settings(max_examples=examples(60))
def test_values_play_no_part_in_what_a_schema_takes(column: pl.Series, name: str) -> None:
    whole = {"time": "2026-10-01", "name": "east", "temperature": "1", "humidity": "2"}
    others = {key: [value] * len(column) for key, value in whole.items() if key != name}
    plain = pl.Series([None] * len(column), dtype=column.dtype)
    assert refused(pl.DataFrame(others | {name: column})) == refused(pl.DataFrame(others | {name: plain}))


def check(proven: set, data: bytes = CSV, **options) -> checks.CheckReport:
    made = PayloadCheck("text/csv", STATION, proven=proven, **options)
    made.feed(data)
    return made.finish()


def test_columns_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    proven: set = set()
    assert check(proven).sample_rows == 2
    monkeypatch.setattr(checks, "convert", lambda *_, **__: pytest.fail("tried again"))
    assert check(proven) == checks.CheckReport(rows=2, columns=["time", "name", "temperature", "humidity"])


@pytest.mark.parametrize("options", [{"trial": True}, {"on_bad_rows": "fail"}])
def test_rows_are_tried_whenever_they_matter(options: dict) -> None:
    proven: set = set()
    check(proven)
    assert check(proven, **options).sample_rows == 2


def test_other_columns_are_tried_again_and_tables_of_very_many_are_not_remembered() -> None:
    proven: set = set()
    check(proven)
    assert check(proven, b"time,name\n2026-10-01,east\n").sample_rows == 1
    wide = b"time,name," + b",".join(b"c%d" % number for number in range(300))
    check(proven, wide + b"\n2026-10-01,east" + b"," * 300 + b"\n")
    assert len(proven) == 2


def test_a_column_that_may_be_meant_by_a_missing_one_is_named():
    with pytest.raises(ColumnsMissingError) as caught:
        check_payload(b"Time (UTC),id\n2026-11-20,a\n", "text/csv", STATION)
    assert [error["message"] for error in caught.value.errors] == [
        "the column is missing; did you mean 'Time (UTC)'?",
        "the column is missing",
    ]
