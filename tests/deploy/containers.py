"""Containers of the built images, held as Compose and Kubernetes hold them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.rigs.docker_engine import DockerEngine
from tests.rigs.waiting import wait_until

HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
HOME = "--tmpfs=/opt/airflow:uid=10001,gid=10001"
START_S = 300


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


def await_health(engine: DockerEngine, name: str) -> None:
    """Return as soon as a container says that it is well."""
    ask = ("inspect", "--format", "{{.State.Health.Status}}", name)
    wait_until(lambda: engine.docker(*ask) == "healthy", "a healthy container", START_S, pause_s=0.5)
