"""What only format icechunk does: how it is chosen and created."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import icechunk
import pytest
import xarray as xr

from tests.faults.switch import DiedError
from tests.rigs.project import ROOT
from tests.zarr_fuse.icechunk_stores import ICE, SIMPLE, column, contents, merge
from tests.zarr_fuse.rivers import IcechunkRiver
from zarr_fuse import open_store, remove_store
from zarr_fuse.errors import OptionError, StorageError, StoreNotFoundError


class TestFormat:
    def test_repository_opens_with_plain_icechunk_and_shows_the_same_dataset(self, url):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        found = (
            icechunk.Repository.open(icechunk.local_filesystem_storage(url)).readonly_session("main").store
        )
        plain = xr.open_zarr(found, group="n", consolidated=False, chunks=None)
        assert plain.equals(root["n"].dataset)
        assert plain.equals(xr.open_zarr(root.store, group="n", consolidated=False, chunks=None))

    def test_repository_has_the_version_that_every_icechunk_reads(self, url):
        open_store(SIMPLE, STORE_URL=url, **ICE)
        assert (Path(url) / "refs/branch.main/ref.json").exists()
        assert not (Path(url) / "repo").exists()

    def test_existing_store_decides_and_another_wish_is_an_error(self, url, tmp_path):
        open_store(SIMPLE, STORE_URL=url, **ICE)["n"].update(column(0, 1))
        assert contents(open_store(None, STORE_URL=url)) == {0: 1.0, 1: 1.0}
        with pytest.raises(OptionError, match="of format 'icechunk'"):
            open_store(SIMPLE, STORE_URL=url, STORE_FORMAT="zarr")
        other = str(tmp_path / "other.zarr")
        open_store(SIMPLE, STORE_URL=other)
        with pytest.raises(OptionError, match="of format 'zarr'"):
            open_store(SIMPLE, STORE_URL=other, **ICE)

    def test_nothing_is_printed(self, url, capfd):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        contents(open_store(None, STORE_URL=url))
        assert capfd.readouterr() == ("", "")

    def test_node_without_arrays_has_an_empty_dataset(self, survey):
        assert not survey.open(SIMPLE)["n"].dataset.variables

    def test_stores_in_memory_are_told_apart_by_name_and_removed(self, survey):
        merge(survey.open(SIMPLE), 0, 1, "a")
        assert contents(survey.open(None)) == {0: 1.0, 1: 1.0}
        other = open_store(SIMPLE, STORE_URL=survey.url + "-2", **ICE)
        assert contents(other) == {}
        remove_store(None, STORE_URL=survey.url)
        with pytest.raises(StoreNotFoundError):
            survey.open(None)

    def test_removed_store_is_gone_with_its_sidecar_and_removing_it_again_is_harmless(self, url, tmp_path):
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        remove_store(SIMPLE, STORE_URL=url)
        remove_store(SIMPLE, STORE_URL=url)
        assert not list(tmp_path.iterdir())
        with pytest.raises(StoreNotFoundError):
            root["n"].update(column(2, 1))
        assert not list(tmp_path.iterdir())

    def test_interrupted_removal_is_completed_by_the_next_one(self, url, tmp_path):
        open_store(SIMPLE, STORE_URL=url, **ICE)["n"].update(column(0, 1))
        (Path(url) / "refs/branch.main/ref.json").unlink()
        with pytest.raises(StoreNotFoundError):
            open_store(None, STORE_URL=url)
        remove_store(None, STORE_URL=url)
        assert not list(tmp_path.iterdir())


class TestCreation:
    def test_processes_that_open_at_once_make_one_repository(self, url):
        with ThreadPoolExecutor(8) as pool:
            roots = list(pool.map(lambda _: open_store(SIMPLE, STORE_URL=url, **ICE), range(8)))
        assert len({root.history()[-1].snapshot for root in roots}) == 1
        assert len(roots[0].history()) == 2

    def test_what_a_dead_creator_left_is_replaced(self, url):
        for leftover in ("snapshots/1CECHNKREP0F1RSTCMT0", "config.yaml", "chunks/ABC"):
            (Path(url) / leftover).parent.mkdir(parents=True, exist_ok=True)
            (Path(url) / leftover).write_bytes(b"half")
        root = open_store(SIMPLE, STORE_URL=url, **ICE)
        root["n"].update(column(0, 1))
        assert contents(root) == {0: 1.0, 1: 1.0}

    def test_folder_with_something_else_is_refused_and_left_alone(self, url):
        Path(url).mkdir()
        (Path(url) / "cat.jpg").write_bytes(b"meow")
        with pytest.raises(OptionError, match=r"cat\.jpg"):
            open_store(SIMPLE, STORE_URL=url, **ICE)
        assert [path.name for path in Path(url).iterdir()] == ["cat.jpg"]

    @pytest.mark.parametrize("fault", ["before", "after", "lost", "refused"])
    def test_interrupted_creation_is_completed_by_the_next_opening(self, fault, monkeypatch):
        survey = IcechunkRiver(monkeypatch)
        survey.open(SIMPLE)
        for call in range(1, survey.storage.switch.calls + 1):
            survey = IcechunkRiver(monkeypatch)
            survey.storage.switch.plan(call, fault)
            try:
                survey.open(SIMPLE)
            except (DiedError, StorageError):
                survey.restart()
            merge(survey.open(SIMPLE), 0, 1, "a")
            assert survey.dataset("n").x.values.tolist() == [1.0, 1.0], call

    def test_missing_repository_is_not_made_for_reading(self, url, tmp_path):
        for how in ({"MODE": "r"}, {"AS_OF": "2026-01-01"}):
            with pytest.raises(StoreNotFoundError):
                open_store(SIMPLE, STORE_URL=url, **ICE, **how)
        assert not list(tmp_path.iterdir())


def test_examples_of_the_page_about_formats_run(tmp_path, monkeypatch):
    page = ROOT / "docs/how-to/choose-a-store-format.md"
    monkeypatch.chdir(tmp_path)
    for block in page.read_text(encoding="utf-8").split("```python\n")[1:]:
        exec(block.partition("```")[0], {})
