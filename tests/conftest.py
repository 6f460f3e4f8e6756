from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

import tests.hypothesis_profiles  # noqa: F401 - loads the profile
from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY, CephRgw, running_gateway
from tests.rigs.debian import RigUnavailableError
from tests.rigs.s3 import Bucket


@pytest.fixture(scope="session")
def rgw() -> Iterator[CephRgw]:
    """A real Ceph RGW; tests that need it are skipped where it cannot run."""
    try:
        with running_gateway() as rig:
            yield rig
    except RigUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["moto", pytest.param("rgw", marks=pytest.mark.rgw)])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket on each S3."""
    kind = request.param
    endpoint = (
        request.getfixturevalue("rgw").endpoint if kind == "rgw" else request.getfixturevalue("moto_endpoint")
    )
    name = f"bucket-{uuid.uuid4().hex}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=name)
    client.close()
    return Bucket(request.param, name, endpoint)
