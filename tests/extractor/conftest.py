from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.extractor.site import Site, build_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_site(tmp_path: Path, moto_url: str) -> Site:
    bucket = f"bucket-{uuid4().hex}"
    client = boto3.client(
        "s3",
        endpoint_url=moto_url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)
    return build_site(
        tmp_path,
        store_url=f"s3://{bucket}/store.zarr",
        queue_url=f"s3://{bucket}/queue",
        river_url=f"s3://{bucket}/river.zarr",
        s3_endpoint_url=moto_url,
        s3_access_key="key",
        s3_secret_key="secret",
    )


@pytest.fixture(params=["file", "s3"])
def any_site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue("site" if request.param == "file" else "s3_site")
