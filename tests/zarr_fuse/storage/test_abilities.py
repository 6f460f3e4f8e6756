from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from tests.rigs.s3 import Bucket
from zarr_fuse import open_store
from zarr_fuse.errors import StorageError
from zarr_fuse.options import resolve_options
from zarr_fuse.storage.abilities import Abilities, probe_abilities, probe_listing, probe_multipart
from zarr_fuse.storage.location import locate
from zarr_fuse.storage.opening import open_object_store
from zarr_fuse.storage.probe import probe_create_only

EVERYTHING = Abilities(create_only=True, list_after_write=True, multipart=True)


def test_local_and_memory_storages_can_everything(tmp_path: Path) -> None:
    for store in (open_object_store(str(tmp_path)), open_object_store("memory://abilities")):
        assert probe_abilities(store, "side/car") == EVERYTHING
        assert store.list().collect() == []
    assert EVERYTHING.lacking == ()


def test_an_s3_can_everything(bucket: Bucket) -> None:
    options = bucket.options()
    store = open_object_store(
        bucket.url("q"),
        endpoint=bucket.endpoint,
        access_key=options["S3_ACCESS_KEY"],
        secret_key=options["S3_SECRET_KEY"],
    )
    assert probe_abilities(store, "probe") == EVERYTHING
    assert store.list().collect() == []


def test_a_bucket_that_does_not_exist_is_called_that(bucket: Bucket) -> None:
    options = bucket.options() | {"STORE_URL": f"s3://no-{bucket.name}/a/river.zarr"}
    resolved = resolve_options(options, {})
    with pytest.raises(StorageError, match="cannot be probed: the bucket does not exist"):
        probe_abilities(locate(resolved).open(resolved, whole=True), "probe")
    with pytest.raises(StorageError, match="the bucket does not exist"):
        open_store("VARS: {v: {unit: m, coords: []}}", **options)


def refuse(**wanted: Any) -> Callable[..., Any]:
    real = obstore.put

    def put(store: Any, key: str, body: bytes, **options: Any) -> Any:
        if all(options.get(name) == value for name, value in wanted.items()):
            raise GenericError("501 Not Implemented")
        return real(store, key, body, **options)

    return put


def lagging(store: Any, folder: str | None = None, _real: Any = obstore.list, **options: Any) -> Any:
    return _real(store, folder, **options) if folder is None else []


@pytest.mark.parametrize(
    ("name", "replacement", "lacking"),
    [
        ("put", refuse(use_multipart=True), Abilities(True, True, False)),
        ("put", refuse(mode="create"), Abilities(False, True, True)),
        ("list", lagging, Abilities(True, False, True)),
    ],
)
def test_what_a_storage_cannot_do_is_said_and_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, replacement: Callable[..., Any], lacking: Abilities
) -> None:
    monkeypatch.setattr(obstore, name, replacement)
    store = MemoryStore()
    assert probe_abilities(store, "probe") == lacking
    assert len(lacking.lacking) == 1
    assert store.list().collect() == []


def test_a_storage_that_fails_is_not_one_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstore, "put", refuse())
    with pytest.raises(StorageError):
        probe_abilities(MemoryStore(), "probe")


def full(store: Any, key: str, body: bytes, _real: Any = obstore.put, **options: Any) -> Any:
    """A full disk still takes the names of empty files."""
    if body:
        raise GenericError("No space left on device (os error 28)")
    return _real(store, key, body, **options)


@pytest.mark.parametrize("probe", [probe_create_only, probe_multipart, probe_listing])
def test_nor_is_one_that_is_full(monkeypatch: pytest.MonkeyPatch, probe: Callable[..., bool]) -> None:
    monkeypatch.setattr(obstore, "put", full)
    with pytest.raises(StorageError, match="No space left"):
        probe(MemoryStore(), "probe")
