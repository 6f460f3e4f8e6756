from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from obstore.store import LocalStore

from zarr_fuse.errors import AccessDeniedError, StorageError
from zarr_fuse.storage.objects import Objects

MANY = [(f"a/c/{number}", bytes([number])) for number in range(9)]


@pytest.fixture
def objects(tmp_path):
    return Objects(LocalStore(tmp_path))


def name_of(descriptor):
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_written_objects_are_read_listed_and_counted_like_requests(objects, tmp_path):
    objects.put_many(MANY, durable=True)
    objects.put("b ž#x", b"one", durable=False)
    assert objects.requests == len(MANY) + 1
    assert objects.get_many([key for key, _ in MANY]) == [data for _, data in MANY]
    assert objects.keys("") == files(tmp_path) == sorted([*(key for key, _ in MANY), "b ž#x"])
    assert objects.get("a/none") is None
    assert objects.get("a") is None
    assert objects.get("b ž#x/below") is None
    assert (objects.size("a/c/3"), objects.get_range("b ž#x", 1, 3)) == (1, b"ne")


def test_object_is_created_only_where_there_is_none(objects, tmp_path):
    assert objects.create("lock/1", b"mine")
    assert objects.create("lock/1", b"mine")  # an answer that got lost
    assert not objects.create("lock/1", b"yours")
    assert objects.get("lock/1") == b"mine"
    assert files(tmp_path) == ["lock/1"]


def test_copy_stays_when_its_source_is_replaced_or_deleted(objects, tmp_path):
    objects.put_many([("a/1", b"one"), ("a/2", b"two"), ("b/1", b"old")], durable=True)
    pairs = [("a/1", "b/1"), ("a/2", "b/c/2")]
    for _ in range(2):
        objects.copy_many(pairs)
    objects.put("a/1", b"other")
    objects.delete(["a/2", "a/never"])
    assert objects.get_many([target for _, target in pairs]) == [b"one", b"two"]
    assert files(tmp_path) == ["a/1", "b/1", "b/c/2"]


def test_bytes_are_on_the_disk_before_they_get_their_name_and_the_names_after(objects, tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: steps.append(name_of(fd)) or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda *names: steps.append(names) or replace(*names))
    objects.put_many(MANY, durable=True)
    named = [step for step in steps if isinstance(step, tuple)]
    first, last = steps.index(named[0]), steps.index(named[-1])
    assert {source for source, _ in named} == set(steps[:first])
    assert set(steps[last + 1 :]) == {str(tmp_path / folder) for folder in ("a/c", "a", "")} - {""}


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_full_disk_leaves_the_objects_as_they_were(objects, tmp_path, monkeypatch, failing):
    objects.put_many(MANY, durable=True)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        with pytest.raises(StorageError, match="No space left"):
            objects.put_many([(key, b"new") for key, _ in MANY], durable=True)
        with pytest.raises(StorageError, match="No space left"):
            objects.put("other", b"new", durable=True)
    assert objects.get_many([key for key, _ in MANY]) == [data for _, data in MANY]
    assert files(tmp_path) == sorted(key for key, _ in MANY)


def test_folder_that_may_not_be_written_is_access_denied(objects, monkeypatch):
    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    for act in (lambda: objects.put("a", b""), lambda: objects.create("a", b"")):
        with pytest.raises(AccessDeniedError, match="access to 'a' is denied"):
            act()
