"""S3 for tests: buckets that may be filled, and a server of this process that holds them."""

from __future__ import annotations

import functools
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY


@dataclass(frozen=True)
class Bucket:
    """A bucket; `kind` is the S3 behind it: `moto`, `rgw`, or `none` where nothing needs to answer."""

    kind: str
    name: str
    endpoint: str

    def url(self, path: str) -> str:
        return f"s3://{self.name}/{path}"

    def options(self, path: str = "river.zarr", **more: Any) -> dict[str, Any]:
        """The options of `open_store` for a store in this bucket."""
        keys = {"S3_ACCESS_KEY": ACCESS_KEY, "S3_SECRET_KEY": SECRET_KEY}
        return {"STORE_URL": self.url(path), "S3_ENDPOINT_URL": self.endpoint, **keys, **more}

    @property
    def access(self) -> dict[str, Any]:
        """The settings that lead to this bucket, all but the addresses in it."""
        keys = {"s3_access_key": ACCESS_KEY, "s3_secret_key": SECRET_KEY}
        return {"s3_endpoint_url": self.endpoint, **keys}

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A client of boto3, closed when the block ends."""
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        client = boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)
        try:
            yield client
        finally:
            client.close()

    def unfinished(self, prefix: str = "") -> list[str]:
        """The keys below a prefix whose upload in parts has begun and not ended."""
        with self.client() as client:
            found = client.list_multipart_uploads(Bucket=self.name, Prefix=prefix)
        return [one["Key"] for one in found.get("Uploads", [])]


def new_bucket(endpoint: str, kind: str = "moto", name: str = "") -> Bucket:
    """Make an empty bucket, with a name nobody else has unless one is given."""
    bucket = Bucket(kind, name or f"bucket-{uuid.uuid4().hex}", endpoint)
    with bucket.client() as client:
        client.create_bucket(Bucket=bucket.name)
    return bucket


def bucket_behind(port: int) -> Bucket:
    """A bucket that a server on a port of loopback would hold if it answered."""
    return Bucket("none", "bucket", f"http://127.0.0.1:{port}")


def _make_creates_exclusive() -> None:
    """Let moto look for an object and write it at once, as an S3 does: else racing creates both win."""
    lock = threading.Lock()

    def locked(answer: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(answer)
        def within(*arguments: Any, **named: Any) -> Any:
            with lock:
                return answer(*arguments, **named)

        return within

    for name in ("put_object", "_key_response_post"):
        setattr(S3Response, name, locked(getattr(S3Response, name)))


_make_creates_exclusive()


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of an S3 in this process, for the length of the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
