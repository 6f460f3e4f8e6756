"""Before the services start: refuses example secrets, makes the bucket, and checks the whole installation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from packages.common.settings import Settings, load_settings

SECRETS = (
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "BASIC_AUTH_USERS_JSON",
    "AIRFLOW_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "POSTGRES_PASSWORD",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
)
EXAMPLE = re.compile(r"change-?me|example(key)?$|…", re.IGNORECASE)
WAIT_S, PAUSE_S = 120.0, 1.0
BUCKET_IS_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "409"}


def main() -> int:
    """0 ready, 1 something is wrong; what it is goes to standard error."""
    left = [name for name in SECRETS if is_example(os.environ.get(name, ""))]
    if left:
        sys.stderr.write(
            f"error: still an example value: {', '.join(left)}; `make compose-env` generates them\n"
        )
        return 1
    settings = load_settings()
    for bucket in buckets(settings):
        make_bucket(settings, bucket)
    return subprocess.run(["ingress", "check"], check=False).returncode  # noqa: S607 - found on the image's path


def is_example(value: str) -> bool:
    """Whether a secret was never filled in."""
    return EXAMPLE.search(value) is not None


def buckets(settings: Settings) -> list[str]:
    """The buckets that store and queue lie in."""
    addresses = (urlsplit(url) for url in (settings.s3_store_url, settings.s3_queue_url))
    return sorted({address.netloc for address in addresses if address.scheme == "s3"})


def make_bucket(settings: Settings, bucket: str) -> None:
    """Create a bucket unless it is there; keeps trying while the storage does not answer."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            _ensure(settings, bucket)
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise
            sys.stderr.write(f"the storage is not ready: {error}\n")
            time.sleep(PAUSE_S)
        else:
            return


def _ensure(settings: Settings, bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key and settings.s3_access_key.get_secret_value(),
        aws_secret_access_key=settings.s3_secret_key and settings.s3_secret_key.get_secret_value(),
        config=Config(s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"}),
    )
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
            raise
        _create(client, bucket, settings.s3_region)


def _create(client: boto3.client, bucket: str, region: str) -> None:
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=bucket, **elsewhere)
    except ClientError as error:
        if error.response["Error"]["Code"] not in BUCKET_IS_THERE:
            raise


if __name__ == "__main__":
    sys.exit(main())
