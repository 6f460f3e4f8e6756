from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from packages.common.keys import ItemState, parse_key
from packages.common.last_sweep import KEY
from packages.common.quarantine import REASON_COLUMN, ROW_COLUMN
from services.extractor_service import group as grouping
from services.extractor_service.housekeeping import removals, remove
from services.extractor_service.quarantine import quarantined
from services.extractor_service.report import SweepReport
from services.extractor_service.reprocess import Choice, requeue
from services.extractor_service.sweep import sweep
from tests.extractor.site import CONFIGURATION, NODE, Site, build_site, csv
from zarr_fuse import open_store

HOT = csv(0, rows=4).replace("0.1", "999").replace("0.2", "warm")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = build_site(tmp_path, retention_processed_days=1.0)
    found.write("configuration.yaml", CONFIGURATION.replace("on_bad_rows: fail", "on_bad_rows: quarantine"))
    return found


def rejected(site: Site, item_id: str) -> bytes:
    item = site.queue.find(item_id)
    assert item is not None
    return site.queue.storage.get(item.rejected_key)


def values(site: Site, node: str = "station") -> list[float]:
    return site.dataset("weather.yaml", node)["temperature"].to_series().dropna().tolist()


def test_rejected_rows_lie_beside_the_processed_item_with_row_and_reason(site: Site) -> None:
    item_id = site.accept("strict", HOT)
    assert sweep(site.settings).processed == 1
    table = pl.read_csv(rejected(site, item_id), infer_schema=False)
    assert table.columns == ["time", "place", "temperature", ROW_COLUMN, REASON_COLUMN]
    assert table.select("temperature", ROW_COLUMN).rows() == [("999", "1"), ("warm", "2")]
    assert all(reason.startswith("temperature: ") for reason in table[REASON_COLUMN])
    outcome = site.metadata(item_id).outcome
    assert outcome is not None
    assert (outcome.quarantined_rows, outcome.rows) == (2, 4)
    assert values(site) == [0.0, 0.3]


def test_listings_never_show_the_rejected_rows_as_an_item(site: Site) -> None:
    item_id = site.accept("strict", HOT)
    sweep(site.settings)
    item = site.queue.find(item_id)
    assert item is not None
    assert parse_key(item.rejected_key) is None
    assert site.states() == {item_id: ["processed"]}
    assert list(site.queue.aborted(timedelta(seconds=-5))) == []


@pytest.mark.parametrize("endpoint", ["strict", "logger"])
def test_corrected_rows_are_sent_again_as_they_are(site: Site, endpoint: str) -> None:
    first = site.accept("strict", HOT)
    sweep(site.settings)
    corrected = rejected(site, first).replace(b"999", b"0.1").replace(b"warm", b"0.2")
    again = site.accept(endpoint, corrected, content_type="text/csv", target_node="station")
    assert sweep(site.settings).processed == 2 - 1
    assert values(site) == [0.0, 0.1, 0.2, 0.3]
    outcome = site.metadata(again).outcome
    assert outcome is not None
    assert (outcome.quarantined_rows, outcome.rejected_counts) == (None, {})


def test_item_without_bad_rows_has_no_such_file(site: Site) -> None:
    site.accept("strict", csv(0))
    sweep(site.settings)
    assert [info.key for info in site.queue.storage.list("processed/") if "rejected" in info.key] == []


def test_rejected_rows_are_written_even_if_the_sweep_ended_right_after_the_merge(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = site.accept("strict", HOT)
    with monkeypatch.context() as patch:
        patch.setattr(grouping, "settle", lambda *_: SweepReport())
        sweep(site.settings)
    assert sweep(site.settings).duplicates == 1
    assert b"warm" in rejected(site, item_id)


def test_rejected_rows_go_with_their_item(site: Site) -> None:
    item_id = site.accept("strict", HOT)
    sweep(site.settings)
    found = site.metadata(item_id).outcome
    assert found is not None
    later = found.finished_at + timedelta(days=2)
    keys = [one.key for one in removals(site.settings, now=later)]
    assert len(keys) == 3
    assert remove(site.settings, removals(site.settings, now=later)) == 3
    assert [info.key for info in site.queue.storage.list("failed/")] == []


def test_rejected_rows_without_their_item_are_orphans(site: Site) -> None:
    site.queue.storage.put("processed/strict/20261120T080000_000000000000.csv.rejected.csv", b"x")
    (key,) = site.queue.aborted(timedelta(seconds=-5))
    assert key.endswith(".rejected.csv")


def test_purge_and_requeue_take_the_rejected_rows_away(site: Site) -> None:
    items = [site.accept("strict", HOT), site.accept("strict", HOT)]
    sweep(site.settings)
    purged = site.queue.find(items[0])
    assert purged is not None
    site.queue.purge(purged)
    site.write("schemas/weather.yaml", NODE.format(name="station").replace("60]", "1000]"))
    requeue(site.settings, Choice(state=ItemState.PROCESSED))
    left = [info.key for info in site.queue.storage.list("") if info.key != KEY]
    assert len(left) == 2
    assert not any(key.endswith(".rejected.csv") for key in left)


def test_every_rejected_row_is_kept_however_many_the_report_lists(site: Site) -> None:
    lines = "".join(
        f"2026-11-20T08:{row // 60 % 60:02}:{row % 60:02},p{row // 3600},999\n" for row in range(5000)
    )
    item_id = site.accept("strict", f"time,place,temperature\n{lines}")
    sweep(site.settings)
    assert len(pl.read_csv(rejected(site, item_id))) == 5000


def test_frames_of_pandas_and_zoned_times_come_back_readable(site: Site) -> None:
    schema = open_store(
        site.folder / "inputs" / "schemas" / "weather.yaml", STORE_URL=site.settings.s3_store_url
    )["station"].schema
    frame = pl.DataFrame(
        {"time": ["2026-11-20T08:00:00+01:00"], "place": ["a"], "temperature": [999.0], "l": [[1]]}
    )
    zoned = frame.with_columns(pl.col("time").str.to_datetime("%+", time_zone="Europe/Prague"))
    for one in (zoned, zoned.drop("l").to_pandas()):
        kept = quarantined(one, schema)
        assert kept is not None
        assert kept.rows == 1
        table = pd.read_csv(io.BytesIO(kept.csv))
        assert pd.Timestamp(table["time"][0]).tz_convert("UTC") == pd.Timestamp("2026-11-20T07:00Z")
        assert list(table.columns) == ["time", "place", "temperature", ROW_COLUMN, REASON_COLUMN]
