from __future__ import annotations

from collections.abc import Iterator

import pytest

import tests.hypothesis_profiles  # noqa: F401 - loads the profile
from tests.rigs.ceph_rgw import CephRgw, running_gateway
from tests.rigs.debian import RigUnavailableError
from tests.rigs.s3 import Bucket, moto_server, new_bucket


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
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def moto_bucket(moto_endpoint: str) -> Bucket:
    """An empty bucket of the S3 in this process."""
    return new_bucket(moto_endpoint)


@pytest.fixture(params=["moto", pytest.param("rgw", marks=pytest.mark.rgw)])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket on each S3."""
    if request.param == "rgw":
        return new_bucket(request.getfixturevalue("rgw").endpoint, "rgw")
    found: Bucket = request.getfixturevalue("moto_bucket")
    return found
