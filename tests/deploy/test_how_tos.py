"""The commands of the how-to pages, run as they stand there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.deploy.compose import System, environment
from tests.rigs.debian import RigUnavailableError, unpacked
from tests.rigs.docker_engine import FOLDER, DockerEngine
from tests.rigs.registry import running_registry

pytestmark = pytest.mark.deploy
BACKUP, ROTATION, UPGRADE = "back-up-and-restore.md", "rotate-credentials.md", "upgrade.md"
KEPT = "FROM log WHERE event = 'kept'"


@pytest.fixture(scope="session")
def programs() -> Path:
    """rclone and a registry of images, from Debian's packages."""
    try:
        return unpacked(FOLDER / "programs", {"bookworm": ("rclone", "docker-registry")}) / "usr" / "bin"
    except RigUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def rclone(bundled: System, programs: Path, tmp_path: Path) -> dict[str, str]:
    """The environment in which rclone knows the bundled S3, and a folder as the place of the copy."""
    secrets = environment(bundled.folder / ".env")
    measurements = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": f"http://127.0.0.1:{bundled.settings['S3_PORT']}",
        "ACCESS_KEY_ID": secrets["S3_ACCESS_KEY"],
        "SECRET_ACCESS_KEY": secrets["S3_SECRET_KEY"],
    }
    return {
        "PATH": f"{programs}{os.pathsep}{bundled.engine.environment['PATH']}",
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_BACKUP_TYPE": "alias",
        "RCLONE_CONFIG_BACKUP_REMOTE": str(tmp_path / "copy"),
        **{f"RCLONE_CONFIG_MEASUREMENTS_{key}": value for key, value in measurements.items()},
    }


def test_variables_of_airflow_outlive_an_exchange_of_the_key(bundled: System) -> None:
    before = environment(bundled.folder / ".env")["AIRFLOW__CORE__FERNET_KEY"]
    airflow = ("exec", "--no-TTY", "airflow-scheduler", "airflow", "variables")
    bundled.compose(*airflow, "set", "kept", "before")
    bundled.paste(ROTATION, "fernet")
    after = environment(bundled.folder / ".env")["AIRFLOW__CORE__FERNET_KEY"]
    assert "," not in after
    assert after != before
    assert bundled.compose(*airflow, "get", "kept").stdout.split()[-1] == "before"


def test_everything_comes_back_from_the_copy_of_a_bucket(bundled: System, rclone: dict[str, str]) -> None:
    bundled.smoke()
    before = bundled.processed()
    bundled.paste(BACKUP, "pause")
    bundled.paste(BACKUP, "copy", **rclone)
    bundled.engine.run("rclone", "purge", "measurements:measurements", **rclone)
    bundled.paste(BACKUP, "restore", **rclone)
    bundled.paste(BACKUP, "unpause")
    assert before
    assert bundled.processed() == before
    assert "xarray.Dataset" in bundled.smoke()


def test_everything_comes_back_from_the_archive_of_the_volume(bundled: System) -> None:
    accepted = bundled.upload()
    before = bundled.processed()
    bundled.paste(BACKUP, "archive")
    bundled.paste(BACKUP, "unpack")
    assert before
    assert bundled.processed() >= before
    bundled.await_processed(accepted)


def test_database_goes_back_to_an_older_airflow_and_comes_forth_from_a_dump_of_it(bundled: System) -> None:
    version = "SELECT version_num FROM alembic_version"
    newest = bundled.query(version)
    bundled.query("INSERT INTO log (event) VALUES ('kept')")
    bundled.paste(UPGRADE, "downgrade")
    assert bundled.query(version) != newest
    bundled.paste(BACKUP, "dump")
    bundled.compose("run", "--rm", "airflow-migration")
    assert bundled.query(version) == newest
    bundled.query(f"DELETE {KEPT}")
    bundled.paste(BACKUP, "load")
    assert bundled.query(version) == newest
    assert bundled.query(f"SELECT count(*) {KEPT}") == "1"
    bundled.await_processed(bundled.upload())


def test_image_goes_through_a_registry(
    engine: DockerEngine, images: dict[str, str], programs: Path, tmp_path: Path
) -> None:
    with running_registry(programs / "docker-registry", tmp_path) as registry:
        name = f"{registry}/zarr-fuse-ingress:0.1.0"
        engine.docker("tag", images["ingress"], name)
        engine.docker("push", "--quiet", name)
        engine.docker("rmi", name)
        engine.docker("pull", "--quiet", name)
        identity = ("image", "inspect", "--format", "{{.Id}}")
        assert engine.docker(*identity, name) == engine.docker(*identity, images["ingress"])
        engine.docker("rmi", name)
