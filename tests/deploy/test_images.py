from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rigs.docker_engine import DockerEngine

pytestmark = pytest.mark.deploy
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
PYTHON_IMAGES = ("ingress", "extractor")
BUILD_TOOLS = ("cc", "gcc", "g++", "make", "uv", "pip", "git")
HOME = "--tmpfs=/opt/airflow:uid=10001,gid=10001"
SIZE_LIMIT_MB = {"ingress": 1100, "extractor": 1600, "s3": 700}


def inside(engine: DockerEngine, image: str, *command: str) -> str:
    entry = ("--entrypoint", command[0])
    return engine.docker("run", "--rm", *HARDENED, HOME, *entry, image, *command[1:])


@contextmanager
def container(engine: DockerEngine, image: str, *options: str) -> Iterator[str]:
    name = engine.docker("run", "--detach", *HARDENED, *options, image)
    try:
        yield name
    finally:
        engine.docker("rm", "--force", "--volumes", name)


def await_health(engine: DockerEngine, name: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while (state := engine.docker("inspect", "--format", "{{.State.Health.Status}}", name)) != "healthy":
        assert time.monotonic() < deadline, f"{state}: {engine.run('docker', 'logs', name).stderr[-2000:]}"
        time.sleep(0.5)


@pytest.mark.parametrize("name", SIZE_LIMIT_MB)
def test_image_says_what_it_is_and_runs_as_nobody(
    engine: DockerEngine, images: dict[str, str], name: str
) -> None:
    (described,) = json.loads(engine.docker("image", "inspect", images[name]))
    labels = described["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"].startswith("zarr-fuse-")
    assert {"version", "revision", "licenses", "description"} <= {key.rpartition(".")[2] for key in labels}
    assert described["Config"]["User"] == "10001:10001"
    assert described["Config"]["Healthcheck"]["Test"]
    assert described["Size"] / 1e6 < SIZE_LIMIT_MB[name]


@pytest.mark.parametrize("name", PYTHON_IMAGES)
def test_environment_holds_no_build_tool_and_no_cache(
    engine: DockerEngine, images: dict[str, str], name: str
) -> None:
    listed = inside(engine, images[name], "ls", "/opt/venv/bin").split()
    compilers = inside(engine, images[name], "sh", "-c", f"command -v {' '.join(BUILD_TOOLS[:4])} || true")
    leavings = inside(
        engine, images[name], "sh", "-c", "ls -d /uv-cache /tools $HOME/.cache 2>/dev/null || true"
    )
    assert set(BUILD_TOOLS) & set(listed) == set()
    assert (compilers, leavings) == ("", "")


def test_ingress_image_holds_neither_airflow_nor_the_tools_of_developers(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    listing = "from importlib.metadata import distributions; print(*(d.name for d in distributions()))"
    names = {name.lower() for name in inside(engine, images["ingress"], "python", "-c", listing).split()}
    assert {"fastapi", "zarr-fuse-ingress", "opentelemetry-sdk", "h5netcdf"} <= names
    assert {name for name in names if "airflow" in name} == set()
    assert names & {"pytest", "mypy", "ruff", "moto", "setuptools", "uv", "playwright"} == set()


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


def test_airflow_has_its_executors_database_and_logs(engine: DockerEngine, images: dict[str, str]) -> None:
    modules = (
        "airflow.providers.cncf.kubernetes.executors.kubernetes_executor",
        "airflow.providers.celery.executors.celery_executor",
        "airflow.providers.amazon.aws.log.s3_task_handler",
        "psycopg2",
        "asyncpg",
        "redis",
        "cfgrib",
    )
    script = f"import {', '.join(modules)}; print('imported')"
    said = inside(engine, images["extractor"], "python", "-W", "ignore", "-c", script)
    assert said.splitlines()[-1] == "imported"


def test_passwords_of_airflow_are_written_for_nobody_else(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    command = ("sh", "-c", "stat -c %a /opt/airflow/passwords.json; cat /opt/airflow/passwords.json")
    said = engine.docker(
        *("run", "--rm", *HARDENED, HOME, "--env=AIRFLOW_ADMIN_PASSWORD=a'\"b"), images["extractor"], *command
    )
    assert said == '600\n{"admin": "a\'\\"b"}'


def test_extractors_get_what_their_requirements_name(engine: DockerEngine, tree: Path) -> None:
    requirements = tree / "inputs" / "requirements.txt"
    requirements.write_text("sortedcontainers\n", encoding="utf-8")
    try:
        file = tree / "oci" / "extractor.Containerfile"
        image = engine.docker("build", "--quiet", "--target", "build", "--file", file, tree)
    finally:
        requirements.unlink()
    script = "from importlib.metadata import version; print(version('sortedcontainers'))"
    said = engine.docker("run", "--rm", image, "/opt/venv/bin/python", "-c", script)
    lock = (tree / "requirements.lock").read_text(encoding="utf-8")
    assert f"sortedcontainers=={said} " in lock


def test_example_secrets_are_refused_before_anything_starts(
    engine: DockerEngine, images: dict[str, str]
) -> None:
    options = ("--env=POSTGRES_PASSWORD=change-me", "--entrypoint=python")
    said = engine.run(
        "docker", "run", "--rm", *options, images["ingress"], "/app/oci/prepare.py", check=False
    )
    assert said.returncode == 1
    assert "still an example value: POSTGRES_PASSWORD" in said.stderr


def test_s3_keeps_its_objects_and_takes_new_keys(engine: DockerEngine, images: dict[str, str]) -> None:
    volume = engine.docker("volume", "create")
    try:
        with running_s3(engine, images["s3"], volume, "first") as name:
            as_client(engine, images["ingress"], name, "first", "s3.create_bucket(Bucket='bucket')")
            as_client(
                engine, images["ingress"], name, "first", "s3.put_object(Bucket='bucket', Key='k', Body=b'v')"
            )
        with running_s3(engine, images["s3"], volume, "second") as name:
            get = "print(s3.get_object(Bucket='bucket', Key='k')['Body'].read().decode())"
            assert as_client(engine, images["ingress"], name, "second", get) == "v"
            with pytest.raises(RuntimeError, match="InvalidAccessKeyId"):
                as_client(engine, images["ingress"], name, "first", get)
    finally:
        engine.docker("volume", "rm", volume)


@contextmanager
def running_s3(engine: DockerEngine, image: str, volume: str, key: str) -> Iterator[str]:
    keys = (f"--env=S3_ACCESS_KEY={key}", f"--env=S3_SECRET_KEY={key}", f"--volume={volume}:/data")
    with container(engine, image, *keys) as name:
        await_health(engine, name)
        yield name
        engine.docker("stop", "--time", "60", name)


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
