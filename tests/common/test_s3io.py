from __future__ import annotations

import asyncio
import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from packages.common import s3io
from packages.common.errors import (
    ConfigurationError,
    ObjectMissingError,
    StorageAccessError,
    StorageError,
    StorageUnavailableError,
)
from packages.common.local_files import STAGING
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from tests.hypothesis_profiles import examples
from tests.rigs.gateway import gateway_to
from tests.rigs.s3 import Bucket, bucket_behind, new_bucket
from tests.rigs.waiting import PATIENCE_S

ODD_NAMES = [
    "a b",
    "ü",
    "50%",
    "a#1",
    "%2e",
    "a*b?[c]",
    '"q"',
    "a&+=@:;,'()$!",
    "~",
    ".staging",
    "..b",
    "x\\y",
    "{}^`|<>",
]
ODD_KEYS = [f"accepted/{name}/x.csv" for name in ODD_NAMES]


def keys_of(storage, prefix, after=None):
    return [info.key for info in storage.list(prefix, after)]


def test_what_is_put_is_got(storage):
    storage.put("accepted/a/x.csv", b"1,2")
    storage.put("accepted/a/x.csv", b"3,4")
    assert storage.get("accepted/a/x.csv") == b"3,4"
    assert storage.head("accepted/a/x.csv").size_bytes == 3


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_names_keep_their_key(storage, key):
    storage.put(key, b"1")
    assert storage.get(key) == b"1"
    assert keys_of(storage, "accepted/") == [key]


def test_missing_object(storage):
    assert storage.head("accepted/none") is None
    with pytest.raises(ObjectMissingError) as caught:
        storage.get("accepted/none")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(ObjectMissingError):
        storage.copy("accepted/none", "processed/none")


def test_create_writes_only_once(storage):
    assert storage.create("k", b"first") is True
    assert storage.create("k", b"second") is False
    assert storage.get("k") == b"first"


def test_copy_keeps_the_source_and_may_be_repeated(storage):
    storage.put("a/x", b"1")
    storage.copy("a/x", "b/x")
    storage.copy("a/x", "b/x")
    assert keys_of(storage, "") == ["a/x", "b/x"]
    storage.put("a/x", b"2")
    assert storage.get("b/x") == b"1"


def test_delete_in_bulk_forgives_missing_keys(storage):
    names = [f"d/{number:03}" for number in range(20)]
    for name in names:
        storage.put(name, b"")
    storage.delete(["d/none", *names[:10], "d/none/too"])
    storage.delete([])
    assert keys_of(storage, "d/") == names[10:]


def test_list_is_in_key_order_and_begins_after_a_key(storage):
    names = ["p/a", "p/a.csv", "p/a/x", "p/a/y/z", "p/a0", "p/b", "p/é", "q/a"]
    for name in reversed(names[1:]):
        storage.put(name, b"1")
    expected = sorted(names[1:-1])
    assert keys_of(storage, "p/") == expected
    for after in [*expected, "p/a/", "p/a//x", "p/./x", "p/zz", "p"]:
        assert keys_of(storage, "p/", after) == [name for name in expected if name > after]


def test_list_takes_a_prefix_of_a_name(storage):
    for name in ("p/ab", "p/abc", "p/abc/d", "p/b", "p/a"):
        if name != "p/abc":
            storage.put(name, b"1")
    assert keys_of(storage, "p/ab") == ["p/ab", "p/abc/d"]
    assert keys_of(storage, "p/abc") == ["p/abc/d"]
    assert keys_of(storage, "none/") == []


def test_a_file_is_written_like_bytes(storage, tmp_path):
    source = tmp_path / "payload.bin"
    source.write_bytes(b"from a file")
    storage.put("f", source)
    assert storage.get("f") == b"from a file"


def test_large_objects_go_through(storage):
    data = os.urandom(20 * 2**20)
    storage.put("large", data)
    storage.copy("large", "copied", len(data))
    assert storage.get("copied") == data


def test_large_objects_are_created_once(storage):
    data = os.urandom(6 * 2**20)
    assert storage.create("large", data) is True
    assert storage.create("large", data[:-1]) is False
    assert storage.get("large") == data


def test_copy_by_parts_gives_the_same_bytes(storage, monkeypatch):
    monkeypatch.setattr(s3io, "SERVER_COPY_BYTES", 10)
    data = os.urandom(9 * 2**20)
    storage.put("large", data)
    storage.copy("large", "copied", len(data))
    assert storage.get("copied") == data


def test_async_twins_do_the_same(storage):
    async def scene():
        await storage.put_async("a/x", b"12345")
        pieces = [piece async for piece in storage.stream_async("a/x")]
        first, second = await storage.create_async("c", b"1"), await storage.create_async("c", b"2")
        return (
            await storage.get_async("a/x"),
            b"".join(pieces),
            await storage.head_async("a/y"),
            first,
            second,
        )

    assert asyncio.run(scene()) == (b"12345", b"12345", None, True, False)


def test_async_missing_object(storage):
    with pytest.raises(ObjectMissingError):
        asyncio.run(storage.get_async("none"))


def test_probe_says_yes_and_leaves_nothing(storage):
    assert storage.probe() is True
    assert keys_of(storage, "") == []


def test_missing_bucket_is_named(moto_endpoint):
    missing = Bucket("moto", "no-such-bucket", moto_endpoint)
    settings = Settings(s3_queue_url=missing.url("q"), **missing.access)
    storage = ObjectStorage(settings.s3_queue_url, settings)
    for attempt in (lambda: storage.get("k"), lambda: storage.put("k", b""), lambda: list(storage.list(""))):
        with pytest.raises(StorageError, match="bucket does not exist"):
            attempt()


@pytest.fixture
def gateway(moto_endpoint):
    with gateway_to(moto_endpoint) as gateway:
        yield gateway


def storage_through(gateway) -> ObjectStorage:
    bucket = replace(new_bucket(f"http://{gateway.target}"), endpoint=gateway.endpoint)
    settings = Settings(s3_queue_url=bucket.url("q"), s3_timeout_s=2 * PATIENCE_S, **bucket.access)
    return ObjectStorage(settings.s3_queue_url, settings)


def test_a_gateway_that_has_lost_its_storage_says_nothing_about_objects(gateway):
    storage = storage_through(gateway)
    gateway.forgets = lambda *_: True
    for attempt in (lambda: storage.get("k"), lambda: storage.copy("k", "l"), lambda: list(storage.list(""))):
        with pytest.raises(StorageUnavailableError, match="404"):
            attempt()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("InvalidAccessKeyId", "does not know the access key"),
        ("SignatureDoesNotMatch", "secret key is not that of the access key"),
        ("RequestTimeTooSkewed", "clocks of this machine and of the storage differ"),
        ("QuotaExceeded", "a quota of the storage is used up"),
        ("UserSuspended", "is suspended"),
        ("AccessDenied", "may not do that"),
        ("NewKindOfRefusal", "the storage answered NewKindOfRefusal"),
    ],
)
def test_a_refusal_is_a_sentence_whatever_was_asked_for(gateway, code, sentence):
    storage = storage_through(gateway)
    gateway.forgets = lambda *_: True
    gateway.says = (403, f"<?xml version='1.0'?>\n<Error><Code>{code}</Code></Error>".encode())
    for attempt in (lambda: storage.get("k"), lambda: storage.put("k", b""), lambda: list(storage.list(""))):
        with pytest.raises(StorageAccessError, match=sentence) as caught:
            attempt()
        assert "<" not in caught.value.message


def storage_behind(port: int) -> ObjectStorage:
    bucket = bucket_behind(port)
    settings = Settings(s3_queue_url=bucket.url("q"), s3_timeout_s=1, **bucket.access)
    return ObjectStorage(settings.s3_queue_url, settings)


def test_refused_connection_is_retryable_and_quick(deaf_port):
    storage = storage_behind(deaf_port)
    started = time.monotonic()
    for attempt in (lambda: storage.get("k"), lambda: storage.put("k", b"1"), lambda: list(storage.list(""))):
        with pytest.raises(StorageUnavailableError) as caught:
            attempt()
        assert caught.value.retryable
        assert "secret" not in str(caught.value)
    assert time.monotonic() - started < PATIENCE_S


def test_silent_server_answers_within_the_timeout(silent_port):
    storage = storage_behind(silent_port)
    started = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        storage.put("k", b"1")
    assert time.monotonic() - started < PATIENCE_S / 2


def test_a_large_create_may_take_longer_than_a_small_request(slow_port):
    assert storage_behind(slow_port).create("large", b"x" * (s3io.PART_BYTES + 1)) is True
    with pytest.raises(StorageUnavailableError):
        storage_behind(slow_port).create("small", b"x")


def test_credentials_in_the_address_are_refused_and_not_repeated():
    settings = Settings(s3_queue_url="s3://user:hidden@bucket/q")
    with pytest.raises(ConfigurationError) as caught:
        ObjectStorage(settings.s3_queue_url, settings)
    assert "hidden" not in str(caught.value)


def test_no_credentials_at_all_is_a_configuration_error():
    settings = Settings(s3_queue_url="s3://bucket/q")
    with pytest.raises(ConfigurationError, match="S3_ACCESS_KEY"):
        ObjectStorage(settings.s3_queue_url, settings)


@pytest.fixture
def folder(tmp_path: Path) -> tuple[ObjectStorage, Path]:
    root = tmp_path / "queue"
    return ObjectStorage(root.as_uri(), Settings(s3_queue_url=root.as_uri())), root


def test_local_write_syncs_file_and_every_new_folder(folder, monkeypatch):
    storage, root = folder
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(Path(f"/proc/self/fd/{fd}").readlink()), real(fd))
    )
    storage.put("accepted/w/x.csv", b"1")
    assert {root / "accepted" / "w", root / "accepted", root} <= set(synced)
    assert synced[0].parent == root / STAGING
    synced.clear()
    assert storage.create("accepted/w/y.csv", b"1")
    assert root / "accepted" / "w" in synced
    synced.clear()
    storage.copy("accepted/w/x.csv", "processed/w/x.csv")
    assert {root / "processed" / "w", root / "processed", root} <= set(synced)
    assert (root / "processed" / "w" / "x.csv").samefile(root / "accepted" / "w" / "x.csv")


def test_local_writes_of_many_wait_once_for_their_folders(folder, monkeypatch):
    storage, root = folder
    storage.put("accepted/w/first.csv", b"1")
    storage.copy("accepted/w/first.csv", "processed/w/first.csv")
    synced, real = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(Path(f"/proc/self/fd/{fd}").readlink()), real(fd))
    )
    folders = set()
    with storage.durable_later(folders):
        for number in range(3):
            storage.copy("accepted/w/first.csv", f"processed/w/{number}.csv")
    assert synced == []
    storage.make_durable(folders)
    assert synced == [root / "processed" / "w"]
    storage.put("accepted/w/second.csv", b"1")
    assert root / "accepted" / "w" in synced


def test_local_write_is_synced_before_it_has_its_name(folder, monkeypatch):
    storage, _root = folder

    def lost_power(_fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", lost_power)
    with pytest.raises(StorageUnavailableError):
        storage.put("accepted/x", b"1")
    assert keys_of(storage, "") == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_local_write_that_fails_takes_no_room_on_a_full_disk(folder, tmp_path, monkeypatch, step):
    storage, root = folder
    (tmp_path / "large").write_bytes(b"1" * 100_000)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        for name in {step, "link"}:
            patched.setattr(os, name, full)
        for write in (storage.put, storage.create):
            for data in (b"1", tmp_path / "large"):
                with pytest.raises(StorageUnavailableError, match="No space left"):
                    write("k", data)
    assert list((root / STAGING).iterdir()) == []
    assert keys_of(storage, "") == []


def test_local_leftovers_of_a_crash_are_invisible_and_removed_when_old(folder):
    storage, root = folder
    storage.put("accepted/x", b"1")
    for name in (f"{STAGING}/old", f"{STAGING}/new"):
        (root / name).write_bytes(b"")
    (root / "accepted" / "x#0").write_bytes(b"")
    os.utime(root / STAGING / "old", (0, 0))
    again = ObjectStorage(root.as_uri(), Settings(s3_queue_url=root.as_uri()))
    assert keys_of(again, "") == ["accepted/x"]
    assert [path.name for path in (root / STAGING).iterdir()] == ["new"]


def test_repeated_local_copy_leaves_no_temporary_file(folder):
    storage, root = folder
    storage.put("a", b"1")
    for _ in range(3):
        storage.copy("a", "b")
    assert sorted(path.name for path in root.iterdir() if path.is_file()) == ["a", "b"]


def test_local_names_that_are_no_text_are_skipped(folder):
    storage, root = folder
    storage.put("accepted/x", b"1")
    with open(os.fsencode(root / "accepted") + b"/\xff", "wb"):  # noqa: PTH123
        assert keys_of(storage, "") == ["accepted/x"]


segment = st.text("ab.0-~", min_size=1, max_size=3).filter(lambda text: text.strip("."))


@given(
    st.sets(st.lists(segment, min_size=1, max_size=3).map("/".join), max_size=12),
    st.text("ab./0-", max_size=4),
)
@profile(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50), deadline=None
)
def test_local_listing_agrees_with_a_sorted_list(tmp_path_factory, names, after):
    names = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
    root = tmp_path_factory.mktemp("listing")
    storage = ObjectStorage(str(root), Settings(s3_queue_url=root.as_uri()))
    for name in names:
        storage.put(f"p/{name}", b"")
    expected = sorted(f"p/{name}" for name in names)
    assert keys_of(storage, "p/", f"p/{after}") == [name for name in expected if name > f"p/{after}"]
    assert keys_of(storage, f"p/{after}") == [name for name in expected if name.startswith(f"p/{after}")]


@pytest.mark.parametrize("key", ["../x", "a/../../x", "a//x", "/x", "a/", "", "./x", "a\0b", "accepted/x#1"])
def test_key_that_leads_elsewhere_or_is_never_listed_is_refused(folder, key):
    storage, root = folder
    for attempt in (
        lambda: storage.put(key, b"1"),
        lambda: storage.create(key, b"1"),
        lambda: storage.copy("a", key),
        lambda: storage.get(key),
        lambda: storage.writer(key).commit(),
    ):
        with pytest.raises(StorageError):
            attempt()
    assert [path for path in root.parent.rglob("*") if path.is_file() and path.parent.name != STAGING] == []


def test_folder_is_no_object(folder):
    storage, _root = folder
    storage.put("a/b/x", b"1")
    for key in ("a/b", "a/b/x/y"):
        assert storage.head(key) is None
        with pytest.raises(ObjectMissingError):
            storage.get(key)
        with pytest.raises(StorageError):
            storage.copy(key, "c")
    storage.delete(["a/b/x/y"])
    assert keys_of(storage, "") == ["a/b/x"]
