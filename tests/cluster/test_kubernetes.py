"""Each task in a pod of its own."""

from __future__ import annotations

import pytest

from tests.cluster.policies import traffic
from tests.cluster.release import Release
from tests.cluster.uploads import uploads
from tests.rigs.waiting import wait_until

pytestmark = pytest.mark.cluster
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
VALUES = {
    "extractorService": {
        "airflow": {
            "executor": "KubernetesExecutor",
            "remoteLogs": {"enabled": True, "url": "s3://kubernetes/airflow-logs"},
            "workers": {"resources": SMALL},
        }
    }
}


def test_tasks_run_in_pods_of_their_own(lake: Release) -> None:
    seen: set[str] = set()
    with uploads(lake) as sent:
        wait_until(lambda: seen.update(lake.pod_names("worker")) or _named(seen, "merge"), "a merge", 300)
    lake.await_processed(sent.accepted)
    assert sent.refused == []
    assert _named(seen, "plan")


def test_pods_of_tasks_leave_their_logs_and_go(lake: Release) -> None:
    with uploads(lake) as sent:
        pass
    lake.await_processed(sent.accepted)
    wait_until(lambda: _ended(lake) == set(), "pods of tasks to go", 300)
    keys = lake.storage.keys("kubernetes", "airflow-logs/")
    assert any("task_id=merge" in key for key in keys)


def test_policies_would_let_every_connection_through(lake: Release) -> None:
    with traffic(lake) as watched, uploads(lake) as sent:
        lake.await_processed(set(sent.accepted))
    assert watched.between() >= {("worker", "airflow"), ("airflow", "elsewhere")}
    assert watched.forbidden == set()


def _named(names: set[str], task: str) -> bool:
    return any(task in name for name in names)


def _ended(lake: Release) -> set[str]:
    over = {"Succeeded", "Failed"}
    return {pod["metadata"]["name"] for pod in lake.pods("worker") if pod["status"]["phase"] in over}
