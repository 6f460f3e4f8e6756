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
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from packages.common.errors import ConfigurationError
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
SERVER_ERROR = 500
HINT = "S3_ENDPOINT_URL, S3_STORE_URL, S3_ACCESS_KEY and S3_SECRET_KEY say where it is and who may use it"
BUCKET_IS_THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "409"}


class BucketError(Exception):
    """A bucket is neither there nor to be had."""


def main() -> int:
    """0 ready, 1 something is wrong; what it is goes to standard error."""
    left = [name for name in SECRETS if is_example(os.environ.get(name, ""))]
    if left:
        sys.stderr.write(
            f"error: still an example value: {', '.join(left)}; `make compose-env` generates them\n"
        )
        return 1
    try:
        settings = load_settings()
        for bucket in buckets(settings):
            make_bucket(settings, bucket)
    except (ConfigurationError, BucketError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
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
    deadline, said = time.monotonic() + WAIT_S, ""
    while problem := _problem(settings, bucket):
        if time.monotonic() > deadline:
            raise BucketError(f"the storage did not answer for {WAIT_S:.0f} s: {problem}")
        if problem != said:
            sys.stderr.write(f"waiting for the storage: {problem}\n")
        said = problem
        time.sleep(PAUSE_S)


def _problem(settings: Settings, bucket: str) -> str:
    """Why the bucket cannot be made yet, empty once it is there; raises where waiting does not help."""
    try:
        _ensure(settings, bucket)
    except (HTTPClientError, BotoConnectionError) as error:
        return str(error)
    except (ClientError, BotoCoreError, ValueError) as error:
        if _status(error) >= SERVER_ERROR:
            return str(error)
        place = settings.s3_endpoint_url or "AWS"
        raise BucketError(f"bucket {bucket} at {place}: {error}; {HINT}") from None
    return ""


def _status(error: Exception) -> int:
    answer = error.response["ResponseMetadata"] if isinstance(error, ClientError) else {}
    return int(answer.get("HTTPStatusCode", 0))


def _ensure(settings: Settings, bucket: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key and settings.s3_access_key.get_secret_value(),
        aws_secret_access_key=settings.s3_secret_key and settings.s3_secret_key.get_secret_value(),
        config=Config(
            connect_timeout=10,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
        ),
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
