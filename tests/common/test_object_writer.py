from __future__ import annotations

import os

import pytest

from packages.common.errors import StorageUnavailableError
from packages.common.local_files import STAGING
from packages.common.object_writer import ObjectWriter
from packages.common.s3io import ObjectStorage
from packages.common.settings import Settings
from tests.rigs.s3 import Bucket, bucket_behind

PIECE = os.urandom(1 << 20)


def unfinished(settings: Settings) -> list[str]:
    if settings.s3_endpoint_url is None:
        return []
    _, bucket, prefix = settings.s3_queue_url.rsplit("/", 2)
    return Bucket("", bucket, settings.s3_endpoint_url).unfinished(prefix)


def write(writer: ObjectWriter, pieces: int) -> None:
    for _ in range(pieces):
        writer.write(PIECE)


def keys(storage: ObjectStorage) -> list[str]:
    return [info.key for info in storage.list("")]


@pytest.mark.parametrize("pieces", [0, 1, 12])
def test_nothing_is_seen_before_the_commit_and_everything_after(storage, pieces):
    writer = storage.writer("accepted/a b%/x.csv")
    write(writer, pieces)
    assert keys(storage) == []
    writer.commit()
    writer.abort()
    assert keys(storage) == ["accepted/a b%/x.csv"]
    assert storage.get("accepted/a b%/x.csv") == PIECE * pieces


@pytest.mark.parametrize("pieces", [0, 1, 12])
def test_an_aborted_object_leaves_nothing_behind(storage, settings, pieces):
    writer = storage.writer("accepted/x.csv")
    write(writer, pieces)
    writer.abort()
    writer.abort()
    assert keys(storage) == []
    assert unfinished(settings) == []


def test_a_local_object_is_written_under_a_staging_name_and_synced_before_it_has_its_own(
    tmp_path, monkeypatch
):
    url = (tmp_path / "queue").as_uri()
    storage = ObjectStorage(url, Settings(s3_queue_url=url))
    writer = storage.writer("accepted/x.csv")
    writer.write(PIECE)
    assert len(list((tmp_path / "queue" / STAGING).iterdir())) == 1

    def lost_power(_fd):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lost_power)
        with pytest.raises(StorageUnavailableError):
            writer.commit()
    assert keys(storage) == []
    writer.abort()
    assert list((tmp_path / "queue" / STAGING).iterdir()) == []


def test_a_storage_that_is_away_is_named_as_such_and_its_abort_raises_nothing(deaf_port):
    away = bucket_behind(deaf_port)
    settings = Settings(s3_queue_url=away.url("q"), s3_timeout_s=1, **away.access)
    writer = ObjectStorage(settings.s3_queue_url, settings).writer("x")
    with pytest.raises(StorageUnavailableError):
        write(writer, 20)
    writer.abort()
