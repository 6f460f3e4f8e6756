"""Stores that are only read: archives, and what a caller has opened with zarr."""

from __future__ import annotations

import logging
import zipfile

import polars as pl
import pytest
import zarr
from obstore.store import LocalStore
from zarr.storage import ObjectStore, ZipStore

from zarr_fuse import Node, errors, open_store, remove_store, zarr_storage

SCHEMA = """
ATTRS: {title: River survey}
upper:
  lower:
    VARS:
      x:    {unit: m, coords: t}
      kind: {unit: "", type: "str[4]", coords: t, range: {discrete: [good, bad]}}
    COORDS: {t: {unit: {tick: s}}}
"""
FRAME = pl.DataFrame({"t": [0, 1], "x": [1.5, None], "kind": ["bad", None]})


@pytest.fixture
def folder(tmp_path):
    open_store(SCHEMA, STORE_URL=str(tmp_path / "river.zarr"))["upper/lower"].update(FRAME)
    return tmp_path / "river.zarr"


def archived(folder, *, keep=lambda path: True):
    target = folder.parent / "river.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and keep(path):
                archive.write(path, path.relative_to(folder))
    return target


def holds_the_frame(root):
    assert root.mode == "r"
    assert root.schema.ATTRS["title"] == "River survey"
    assert list(root.children) == ["upper"]
    node = root["upper/lower"]
    assert node.read_df(["x", "kind"]).rows()[0][1:] == (1.5, "bad")
    assert node.decoded.kind.values.tolist() == ["bad", "\uffff" * 4]
    assert node.export_schema().ds == node.schema
    assert node.history() == []
    assert root.ledger.contains(["a"]) == set()


def refuses_to_be_written(root):
    for write in (
        lambda: root["upper/lower"].update(FRAME),
        root.transaction,
        lambda: root.rollback("00000001"),
    ):
        with pytest.raises(errors.ReadOnlyError):
            write()


def test_archive_is_read_and_never_written(folder):
    archive = archived(folder)
    before = archive.read_bytes()
    for options in ({"STORE_URL": f"zip://{archive}"}, {"STORE_URL": "zip://river.zip", "MODE": "a"}):
        root = open_store(None, WORKDIR=archive.parent, **options)
        holds_the_frame(root)
        refuses_to_be_written(root)
    with pytest.raises(errors.ReadOnlyError):
        remove_store(None, STORE_URL=f"zip://{archive}")
    assert archive.read_bytes() == before


def test_archive_is_opened_with_a_schema_too(folder):
    root = open_store(SCHEMA, STORE_URL=f"zip://{archived(folder)}")
    holds_the_frame(root)


def test_absent_or_wrong_archives_are_told_apart(folder, tmp_path):
    with pytest.raises(errors.StoreNotFoundError, match=r"nothing\.zip"):
        open_store(SCHEMA, STORE_URL=f"zip://{tmp_path}/nothing.zip")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(errors.CorruptStoreError, match="no zip archive"):
        open_store(None, STORE_URL=f"zip://{tmp_path}/text.zip")
    empty = archived(folder, keep=lambda path: False)
    with pytest.raises(errors.StoreNotFoundError):
        open_store(None, STORE_URL=f"zip://{empty}")
    with pytest.raises(errors.OptionError, match="AS_OF"):
        open_store(None, STORE_URL=f"zip://{empty}", AS_OF="2026-01-01")


@pytest.mark.parametrize(
    "opened",
    [
        str,
        lambda folder: zarr.storage.LocalStore(folder),
        lambda folder: ObjectStore(LocalStore(folder)),
        lambda folder: ZipStore(archived(folder), mode="r"),
    ],
)
def test_store_of_the_caller_is_read_by_its_own_schema(folder, opened):
    root = Node.read_store(opened(folder))
    holds_the_frame(root)
    refuses_to_be_written(root)
    assert root.store.read_only


def test_store_without_consolidated_metadata_is_walked(folder):
    for group in ("", "upper", "upper/lower"):
        path = folder / group / "zarr.json"
        document = path.read_text()
        path.write_text(document[: document.index(',"consolidated_metadata"')] + "}")
    holds_the_frame(Node.read_store(str(folder)))


def test_place_without_store_cannot_be_read(tmp_path):
    with pytest.raises(errors.StoreNotFoundError):
        Node.read_store(str(tmp_path))


def test_options_of_a_copied_store_do_not_lead_to_its_original(folder, monkeypatch):
    monkeypatch.setenv("ZF_STORE_URL", "s3://elsewhere/river.zarr")
    monkeypatch.setenv("ZF_MODE", "a")
    holds_the_frame(Node.read_store(str(folder)))


def test_local_logger_makes_every_error_raise_missing_columns_included(tmp_path):
    node = open_store(SCHEMA, STORE_URL=str(tmp_path / "r.zarr"), LOGGER="local")["upper/lower"]
    for bad in (FRAME.drop("x"), FRAME.with_columns(kind=pl.lit("ugly"))):
        with pytest.raises(errors.UpdateRefusedError):
            node.update(bad)
    assert not node.dataset.variables
    assert node.update(FRAME).rows_merged == 2
    with pytest.raises(errors.OptionError, match="LOGGER"):
        open_store(SCHEMA, STORE_URL=str(tmp_path / "r.zarr"), LOGGER="loud")
    assert node.logger is logging.getLogger("zarr_fuse.upper.lower")
    assert not node.logger.handlers


def test_older_module_name_holds_the_same_objects():
    assert zarr_storage.open_store is open_store
    assert zarr_storage.remove_store is remove_store
    assert zarr_storage.Node is Node
    assert zarr_storage.ZFOptionError is errors.OptionError
