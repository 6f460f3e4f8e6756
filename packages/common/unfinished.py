"""Multipart uploads that nobody will complete: S3 keeps, and bills, their parts until they are aborted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from packages.common.errors import StorageAccessError, StorageUnavailableError
from packages.common.settings import Settings

REFUSALS = frozenset({"AccessDenied", "NotImplemented", "MethodNotAllowed", "403", "405", "501"})
UNFINISHED_AFTER = timedelta(hours=24)
"""An upload that began longer ago is not one that is still coming in."""


log = structlog.get_logger("storage")


class UnfinishedUpload(NamedTuple):
    """One upload; `key` is that below the queue."""

    key: str
    upload_id: str


def unfinished_uploads(settings: Settings, *, now: datetime | None = None) -> Iterator[UnfinishedUpload]:
    """The uploads below the queue that may be aborted. Raises StorageError.

    None on local folders, and none, with a warning, where the storage does not let them be listed.
    """
    if not settings.s3_queue_url.startswith("s3://"):
        return
    limit = (now or datetime.now(UTC)) - UNFINISHED_AFTER
    try:
        yield from _begun_before(limit, settings)
    except StorageAccessError as error:
        log.warning("unfinished uploads are left to the storage's own rules", reason=str(error))


def _begun_before(limit: datetime, settings: Settings) -> Iterator[UnfinishedUpload]:
    bucket, prefix = _place(settings)
    with _client(settings) as client:
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            for upload in page.get("Uploads", []):
                if upload["Initiated"] < limit:
                    yield UnfinishedUpload(upload["Key"].removeprefix(prefix), upload["UploadId"])


def abort_upload(settings: Settings, upload: UnfinishedUpload) -> None:
    """Let the storage forget the parts of an upload; one that is gone is fine. Raises StorageError."""
    bucket, prefix = _place(settings)
    with _client(settings) as client:
        try:
            client.abort_multipart_upload(
                Bucket=bucket, Key=f"{prefix}{upload.key}", UploadId=upload.upload_id
            )
        except client.exceptions.NoSuchUpload:
            return


def _place(settings: Settings) -> tuple[str, str]:
    parts = urlsplit(settings.s3_queue_url)
    path = parts.path.strip("/")
    return parts.netloc, f"{path}/" if path else ""


@contextmanager
def _client(settings: Settings) -> Iterator[Any]:
    access_key, secret_key = (
        key.get_secret_value() if key is not None else None
        for key in (settings.s3_access_key, settings.s3_secret_key)
    )
    bounds = Config(
        connect_timeout=settings.s3_timeout_s / 2,
        read_timeout=settings.s3_timeout_s / 2,
        retries={"total_max_attempts": 2},
    )
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=settings.s3_region,
        config=bounds,
    )
    try:
        yield client
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in REFUSALS:
            raise StorageAccessError(f"unfinished uploads: {error}") from error
        raise StorageUnavailableError(f"unfinished uploads: {error}") from error
    except BotoCoreError as error:
        raise StorageUnavailableError(f"unfinished uploads: {error}") from error
    finally:
        client.close()
