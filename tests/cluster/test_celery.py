"""Tasks in workers that stay, behind a Redis outside of the cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.policies import traffic
from tests.cluster.release import Release
from tests.cluster.uploads import uploads
from tests.rigs.debian import RigUnavailableError, unpacked
from tests.rigs.kubernetes import FOLDER, Cluster
from tests.rigs.kubernetes_node import NODE

pytestmark = pytest.mark.cluster
PACKAGES = ("redis-tools", "libjemalloc2", "liblua5.1-0", "lua-bitop", "lua-cjson", "liblzf1", "libatomic1")
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
VALUES = {
    "extractorService": {
        "airflow": {
            "executor": "CeleryExecutor",
            "remoteLogs": {"enabled": True, "url": "s3://celery/airflow-logs"},
            "workers": {"replicas": 1, "resources": SMALL},
            "broker": {"url": f"redis://{NODE}:6379/0"},
        }
    }
}


@pytest.fixture(scope="module", autouse=True)
def redis(cluster: Cluster) -> Iterator[None]:
    """The broker, on the node but not in a pod."""
    try:
        root = unpacked(FOLDER / "redis", {"bookworm": PACKAGES}) / "usr"
    except RigUnavailableError as reason:
        pytest.skip(str(reason))
    libraries = os.pathsep.join(str(path) for path in (root / "lib").glob("*-linux-gnu"))
    server = (root / "bin" / "redis-check-rdb", "--bind", NODE, "--protected-mode", "no", "--save", "")
    cluster.node.spawn("redis", "env", f"LD_LIBRARY_PATH={libraries}", "bash", "-c", _as_server(server))
    yield
    cluster.node.end("redis")


def _as_server(command: tuple[object, ...]) -> str:
    """One program is server and tools; it goes by the name that it is called by."""
    program, *options = map(str, command)
    return f"exec -a redis-server {program} {' '.join(option or chr(34) * 2 for option in options)}"


def test_tasks_run_in_workers(lake: Release) -> None:
    with uploads(lake) as sent:
        pass
    lake.await_processed(sent.accepted)
    assert sent.refused == []
    assert any("task_id=merge" in key for key in lake.storage.keys("celery", "airflow-logs/"))


def test_workers_answer_their_probe(lake: Release) -> None:
    (name,) = lake.pod_names("worker")
    (worker,) = lake.pods("worker")
    (container,) = worker["spec"]["containers"]
    said = lake.kubectl("exec", name, "--", *container["livenessProbe"]["exec"]["command"])
    assert "1 node online" in said


def test_policies_would_let_every_connection_through(lake: Release) -> None:
    with traffic(lake) as watched, uploads(lake) as sent:
        lake.await_processed(set(sent.accepted))
    assert watched.between() >= {("worker", "airflow"), ("airflow", "elsewhere")}
    assert watched.forbidden == set()


def test_a_worker_that_is_stopped_ends_its_task_first(lake: Release) -> None:
    with uploads(lake) as sent:
        lake.kubectl("rollout", "restart", f"deployment/{lake.fullname}-worker")
        lake.kubectl("rollout", "status", f"deployment/{lake.fullname}-worker", "--timeout=600s")
    lake.await_processed(sent.accepted)
