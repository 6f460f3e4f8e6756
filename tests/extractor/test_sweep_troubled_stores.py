"""Stores that cannot be written to now."""

from __future__ import annotations

from pathlib import Path

import pytest

from packages.common.settings import Settings
from services.extractor_service import group as grouping
from services.extractor_service import places
from services.extractor_service.sweep import sweep
from tests.extractor.site import Site, csv, readings
from zarr_fuse import Node
from zarr_fuse.errors import AccessDeniedError, LeaseHeldError


def held(*_: object, **__: object) -> None:
    raise LeaseHeldError("another writer holds the lease")


def test_held_lease_leaves_the_items_of_that_store_for_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, merged = site.accept("weather", csv(0)), site.accept("river", readings(0))
    begin = Node.transaction

    def transaction(node: Node, item_ids: list[str], **options: object) -> object:
        return held() if waiting in item_ids else begin(node, item_ids, **options)

    monkeypatch.setattr(Node, "transaction", transaction)
    report = sweep(site.settings)
    assert (report.retried, report.processed, report.failed) == (1, 1, 0)
    assert report.has_trouble
    assert site.states() == {waiting: ["accepted"], merged: ["processed"]}
    assert site.metadata(waiting).attempts == 1
    assert sweep(site.settings).counts() == dict.fromkeys(report.counts(), 0)


def test_store_that_cannot_be_opened_keeps_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = site.accept("weather", csv(0)), site.accept("river", readings(0))
    open_root = places.open_root

    def opened(settings: Settings, schema_file: Path) -> Node:
        if schema_file.name == "weather.yaml":
            raise AccessDeniedError("the storage refuses these credentials")
        return open_root(settings, schema_file)

    monkeypatch.setattr(places, "open_root", opened)
    report = sweep(site.settings)
    assert (report.processed, report.retried, report.failed) == (1, 1, 0)
    assert report.failures[0].message == "the storage refuses these credentials"
    assert site.states() == {bad: ["accepted"], good: ["processed"]}


def test_crash_of_the_pipeline_in_one_store_is_told_and_keeps_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, merged = site.accept("weather", csv(0)), site.accept("river", readings(0))
    merge = grouping.merge

    def crashes(root: Node, batch: list) -> list:
        if any(one.item.item_id == waiting for one in batch):
            raise RuntimeError("a mistake of ours")
        return merge(root, batch)

    monkeypatch.setattr(grouping, "merge", crashes)
    report = sweep(site.settings)
    assert report.trouble == [f"{site.settings.s3_store_url}: a mistake of ours"]
    assert site.states() == {waiting: ["accepted"], merged: ["processed"]}
