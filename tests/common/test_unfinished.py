from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from packages.common.errors import StorageUnavailableError
from packages.common.settings import Settings
from packages.common.unfinished import UnfinishedUpload, abort_upload, unfinished_uploads
from services.extractor_service.housekeeping import removals, remove
from tests.rigs.s3 import Bucket, bucket_behind

LATER = datetime.now(UTC) + timedelta(hours=25)


@pytest.fixture
def in_bucket(bucket: Bucket) -> Settings:
    return Settings(s3_queue_url=bucket.url("queue"), **bucket.access)


def test_housekeeping_aborts_the_uploads_of_the_queue_that_are_a_day_old(bucket, in_bucket):
    with bucket.client() as client:
        for key in ("queue/accepted/a.csv", "other/b.csv"):
            client.create_multipart_upload(Bucket=bucket.name, Key=key)
    if bucket.kind != "moto":  # which says that every upload began in 2010
        assert list(removals(in_bucket)) == []
    found = list(removals(in_bucket, now=LATER))
    assert [one.key for one in found] == ["accepted/a.csv"]
    assert remove(in_bucket, found) == 1
    assert bucket.unfinished() == ["other/b.csv"]
    abort_upload(in_bucket, UnfinishedUpload("accepted/a.csv", found[0].upload_id))


def test_a_local_queue_has_none(tmp_path):
    assert list(unfinished_uploads(Settings(s3_queue_url=tmp_path.as_uri()), now=LATER)) == []


def test_a_storage_that_is_away_is_named(deaf_port):
    away = bucket_behind(deaf_port)
    settings = Settings(s3_queue_url=away.url("q"), s3_timeout_s=1, **away.access)
    with pytest.raises(StorageUnavailableError):
        list(unfinished_uploads(settings))


def test_a_storage_that_does_not_let_them_be_listed_holds_nothing_else_up(monkeypatch):
    class Refusing:
        exceptions = None

        def get_paginator(self, _name):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListMultipartUploads")

        def close(self):
            pass

    monkeypatch.setattr("packages.common.unfinished.boto3.client", lambda *_, **__: Refusing())
    refused = Settings(s3_queue_url="s3://bucket/q", s3_access_key="k", s3_secret_key="s")
    assert list(unfinished_uploads(refused, now=LATER)) == []
