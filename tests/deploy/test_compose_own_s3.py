"""The system with an S3 outside of it, in place of the bundled one."""

from __future__ import annotations

import shutil
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.deploy.compose import system
from tests.rigs.docker_engine import DockerEngine
from tests.rigs.ports import free_port

pytestmark = pytest.mark.deploy


def test_own_s3_takes_the_place_of_the_bundled_one(
    engine: DockerEngine, tree: Path, images: dict[str, str], tmp_path: Path
) -> None:
    subnet = engine.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    bridge = next(ip_network(subnet).hosts())
    port, keys = free_port(), ("--env=S3_ACCESS_KEY=own", "--env=S3_SECRET_KEY=own-secret")
    s3 = engine.docker("run", "--detach", f"--publish={bridge}:{port}:7480", *keys, images["s3"])
    folder = shutil.copytree(tree, tmp_path / "clone")
    (folder / ".env").write_text(
        f"S3_ENDPOINT_URL=http://{bridge}:{port}\nS3_ACCESS_KEY=own\nS3_SECRET_KEY=own-secret\n"
        "S3_STORE_URL=s3://mine/site/store.zarr\nPOSTGRES_PASSWORD='p@ss/w:rd #1%'\n",
        encoding="utf-8",
    )
    own = system(engine, folder, images, COMPOSE_PROJECT_NAME="own")
    try:
        own.up()
        assert "s3" not in own.states()
        assert "xarray.Dataset" in own.smoke()
    finally:
        own.compose("down", "--volumes", "--timeout", "20", check=False)
        engine.docker("rm", "--force", "--volumes", s3)
