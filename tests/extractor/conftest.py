from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
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
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_site(tmp_path: Path, moto_url: str) -> Site:
    return build_s3_site(tmp_path, moto_url)


@pytest.fixture
def rgw_site(tmp_path: Path, rgw: CephRgw) -> Site:
    return build_s3_site(tmp_path, rgw.endpoint)


@pytest.fixture(params=["site", "s3_site", pytest.param("rgw_site", marks=pytest.mark.rgw)])
def any_site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(request.param)
