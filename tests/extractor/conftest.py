from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.extractor.site import Site, build_s3_site, build_site
from tests.rigs.ceph_rgw import CephRgw


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log lines of a test, in place of their slow rendering."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path)


@pytest.fixture(scope="session")
def moto_url(moto_endpoint: str) -> str:
    return moto_endpoint


@pytest.fixture
def s3_site(tmp_path: Path, moto_url: str) -> Site:
    return build_s3_site(tmp_path, moto_url)


@pytest.fixture
def rgw_site(tmp_path: Path, rgw: CephRgw) -> Site:
    return build_s3_site(tmp_path, rgw.endpoint)


@pytest.fixture(params=["site", "s3_site", pytest.param("rgw_site", marks=pytest.mark.rgw)])
def any_site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(request.param)
