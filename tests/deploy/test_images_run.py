"""What the images do when they run, with nothing but what they were given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.containers import HARDENED, HOME, await_health, container, inside
from tests.rigs.docker_engine import DockerEngine

pytestmark = pytest.mark.deploy


def test_airflow_shows_the_page_of_the_queue(engine: DockerEngine, images: dict[str, str]) -> None:
    script = (
        "from airflow.plugins_manager import get_fastapi_plugins;"
        "print([app['name'] for app in get_fastapi_plugins()[0]])"
    )
    assert "ngress" in inside(engine, images["extractor"], "python", "-W", "ignore", "-c", script)


def test_ingress_takes_an_upload_on_a_read_only_file_system(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    options = ("--env=S3_STORE_URL=file:///tmp/data/store.zarr", "--env=AUTH_ENABLED=false")
    with container(engine, images["ingress"], *options) as name:
        await_health(engine, name)
        upload = (
            "ingress",
            "push",
            "/app/inputs/samples/weather/01_days_from_01.csv",
            "--endpoint",
            "weather",
        )
        engine.docker("exec", name, *upload, "--url", "http://127.0.0.1:8000")
        assert "1 processed" in engine.docker("exec", name, "ingress", "sweep", "--once")
        engine.docker("stop", name)
        assert engine.docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"


def test_airflow_reads_the_dags_of_the_image(engine: DockerEngine, images: dict[str, str]) -> None:
    script = (
        "from airflow.dag_processing.dagbag import DagBag;"
        "bag = DagBag('/app/services/extractor_service/dags', safe_mode=False);"
        "print(bag.import_errors, *sorted(bag.dags))"
    )
    said = inside(engine, images["extractor"], "python", "-c", script).splitlines()[-1]
    assert said == "{} ingress_housekeeping ingress_processor ingress_reprocess"


def test_passwords_of_airflow_are_written_for_nobody_else(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    command = ("sh", "-c", "stat -c %a /opt/airflow/passwords.json; cat /opt/airflow/passwords.json")
    said = engine.docker(
        *("run", "--rm", *HARDENED, HOME, "--env=AIRFLOW_ADMIN_PASSWORD=a'\"b"), images["extractor"], *command
    )
    assert said == '600\n{"admin": "a\'\\"b"}'


def test_example_secrets_are_refused_before_anything_starts(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    options = ("--env=POSTGRES_PASSWORD=change-me", "--entrypoint=python")
    said = engine.run(
        "docker", "run", "--rm", *options, images["ingress"], "/app/oci/prepare.py", check=False
    )
    assert said.returncode == 1
    assert "still an example value: POSTGRES_PASSWORD" in said.stderr


def test_s3_keeps_its_objects_grows_and_takes_new_keys(engine: DockerEngine, images: dict[str, str]) -> None:
    volume = engine.docker("volume", "create")
    try:
        with running_s3(engine, images["s3"], volume, "first", size_gib=4) as name:
            assert quota(engine, name) == 4 * 2**30 // 20480 * 17 * 1024
            put = "s3.create_bucket(Bucket='bucket'); s3.put_object(Bucket='bucket', Key='k', Body=b'v')"
            as_client(engine, images["ingress"], name, "first", put)
        with running_s3(engine, images["s3"], volume, "second", size_gib=5) as name:
            assert quota(engine, name) == 5 * 2**30 // 20480 * 17 * 1024
            get = "print(s3.get_object(Bucket='bucket', Key='k')['Body'].read().decode())"
            assert as_client(engine, images["ingress"], name, "second", get) == "v"
            with pytest.raises(RuntimeError, match="InvalidAccessKeyId"):
                as_client(engine, images["ingress"], name, "first", get)
    finally:
        engine.docker("volume", "rm", volume)


@contextmanager
def running_s3(engine: DockerEngine, image: str, volume: str, key: str, size_gib: int) -> Iterator[str]:
    keys = (f"--env=S3_ACCESS_KEY={key}", f"--env=S3_SECRET_KEY={key}", f"--env=S3_SIZE_GIB={size_gib}")
    with container(engine, image, *keys, f"--volume={volume}:/data") as name:
        await_health(engine, name)
        yield name
        engine.docker("stop", "--time", "60", name)


def quota(engine: DockerEngine, s3: str) -> int:
    """Bytes that the user of an S3 may store."""
    known = json.loads(engine.docker("exec", s3, "radosgw-admin", "user", "info", "--uid=ingress"))
    assert known["user_quota"]["enabled"]
    return known["user_quota"]["max_size"]


def as_client(engine: DockerEngine, image: str, s3: str, key: str, script: str) -> str:
    variables = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:7480",
    }
    options = [f"--env={name}={value}" for name, value in variables.items()]
    network, code = f"--network=container:{s3}", f"import boto3; s3 = boto3.client('s3'); {script}"
    return engine.docker("run", "--rm", network, *options, "--entrypoint=python", image, "-c", code)
