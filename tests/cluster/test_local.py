"""The chart as the how-to installs it: one pod holds all of Airflow."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.cluster.images import OTHER_TAG, TAG
from tests.cluster.policies import traffic
from tests.cluster.release import Release
from tests.cluster.storage import RIGHTS
from tests.cluster.uploads import uploads
from tests.deploy.chart import at
from tests.rigs.kubernetes import Cluster
from tests.rigs.kubernetes_objects import RESTRICTED
from tests.rigs.ports import free_port
from tests.rigs.waiting import wait_until

pytestmark = pytest.mark.cluster
MARKS = "kubernetes.io/psp"
GONE_S = 300
LEFT = ("pods", "secrets", "persistentvolumeclaims", "jobs", "configmaps", "services", "serviceaccounts")
STATUSES = ("initContainerStatuses", "containerStatuses")


def test_everything_is_well_after_the_first_try(lake: Release) -> None:
    found = lake.get("pods")["items"]
    restarts = {
        f"{pod['metadata']['name']} {one['name']}": one["restartCount"]
        for pod in found
        for statuses in STATUSES
        for one in pod["status"].get(statuses, [])
    }
    assert len(found) == 5
    assert {name: count for name, count in restarts.items() if count} == {}
    assert [job["status"].get("succeeded") for job in lake.get("jobs")["items"]] == [1]
    assert [claim["status"]["phase"] for claim in lake.get("persistentvolumeclaims")["items"]] == ["Bound"]


def test_kubernetes_took_every_kind(lake: Release) -> None:
    counts = {
        kind: len(lake.get(kind)["items"])
        for kind in ("networkpolicies", "poddisruptionbudgets", "cronjobs", "services", "deployments")
    }
    assert counts == {
        "networkpolicies": 6,
        "poddisruptionbudgets": 1,
        "cronjobs": 1,
        "services": 3,
        "deployments": 2,
    }


def test_helm_finds_it_well(lake: Release) -> None:
    assert re.search(r"Phase:\s+Succeeded", lake.helm("test"))


def test_a_pod_with_more_rights_is_refused_here(lake: Release) -> None:
    account = f"system:serviceaccount:{lake.name}:default"
    options = ("--image=zarr-fuse-s3:cluster", f"--as={account}", "--as-group=system:serviceaccounts")
    lake.kubectl(
        *("create", "rolebinding", "default-edits", "--clusterrole=edit"),
        f"--serviceaccount={lake.name}:default",
    )
    with pytest.raises(RuntimeError, match="PodSecurityPolicy: unable to admit pod"):
        lake.kubectl("run", "free", "--privileged", *options)


def test_every_pod_got_in_as_restricted(lake: Release) -> None:
    for pod in lake.get("pods")["items"]:
        assert pod["metadata"]["annotations"][MARKS] == RESTRICTED
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == RIGHTS


@pytest.mark.parametrize(
    ("component", "container"), [("ingress", "ingress"), ("airflow", "scheduler"), ("postgres", "postgres")]
)
def test_processes_have_no_rights_at_all(lake: Release, component: str, container: str) -> None:
    name = next(iter(lake.pod_names(component)))
    status = lake.kubectl("exec", name, "--container", container, "--", "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split()[1] == ("999" if component == "postgres" else "10001")
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


def test_an_upload_becomes_a_dataset(lake: Release) -> None:
    with uploads(lake) as sent:
        pass
    lake.await_processed(sent.accepted)
    assert sent.refused == []
    found = lake.storage.dataset(lake.bucket, "weather")
    assert float(found["precipitation"].max()) > 0


def test_airflow_ran_what_the_ingress_woke(lake: Release) -> None:
    with uploads(lake) as sent:
        pass
    lake.await_processed(sent.accepted)
    with lake.client() as client:
        item = client.get(f"/api/v1/items/{next(iter(sent.accepted))}").raise_for_status().json()
    assert item["outcome"]["dag_run_id"].startswith(("asset_triggered__", "scheduled__"))


def test_policies_would_let_every_connection_through(lake: Release) -> None:
    with traffic(lake) as watched, uploads(lake) as sent:
        lake.await_processed(set(sent.accepted))
    assert watched.between() >= {
        ("ingress", "airflow"),
        ("airflow", "postgres"),
        ("airflow", "elsewhere"),
    }
    assert watched.forbidden == set()


@pytest.fixture
def forwarded(lake: Release, cluster: Cluster) -> Iterator[str]:
    """The address that the notes of the chart tell people to use."""
    port = free_port()
    service = f"service/{lake.fullname}-ingress"
    command = ["kubectl", "--namespace", lake.name, "port-forward", service, f"{port}:80"]
    process = subprocess.Popen(command, env=cluster.environment, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def test_a_forwarded_port_answers(forwarded: str) -> None:
    def answers() -> bool:
        try:
            return httpx.get(f"{forwarded}/health/ready", timeout=30).is_success
        except httpx.TransportError:
            return False

    wait_until(answers, forwarded)


def test_old_runs_are_cleaned_by_the_cronjob(lake: Release) -> None:
    lake.kubectl("create", "job", "clean-now", f"--from=cronjob/{lake.fullname}-db-clean")
    lake.kubectl("wait", "--for=condition=complete", "job/clean-now", "--timeout=300s")


def test_killed_pods_lose_nothing_that_was_acknowledged(lake: Release) -> None:
    with uploads(lake) as sent:
        name = next(iter(lake.pod_names("ingress")))
        lake.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        lake.kubectl("rollout", "status", f"deployment/{lake.fullname}-ingress", "--timeout=300s")
    lake.await_processed(sent.accepted)


def test_an_airflow_killed_at_work_leaves_nothing_to_repair(lake: Release) -> None:
    with uploads(lake) as sent:
        name = next(iter(lake.pod_names("airflow")))
        lake.kubectl("delete", "pod", name, "--grace-period=0", "--force")
    lake.kubectl("rollout", "status", f"deployment/{lake.fullname}-airflow", "--timeout=600s")
    lake.await_processed(sent.accepted)
    assert sent.refused == []


def test_a_rolling_restart_refuses_no_upload(lake: Release) -> None:
    before = lake.pod_names("ingress")
    with uploads(lake) as sent:
        lake.kubectl("rollout", "restart", f"deployment/{lake.fullname}-ingress")
        lake.kubectl("rollout", "status", f"deployment/{lake.fullname}-ingress", "--timeout=300s")
    assert before.isdisjoint(lake.pod_names("ingress"))
    assert sent.refused == []
    lake.await_processed(sent.accepted)


def test_the_same_values_roll_nothing(lake: Release) -> None:
    before = {component: lake.pod_names(component) for component in ("ingress", "airflow", "postgres")}
    lake.upgrade({})
    assert {component: lake.pod_names(component) for component in before} == before


def test_an_upgrade_rolls_the_pods_and_keeps_the_secrets(lake: Release) -> None:
    secrets, pods, jobs = lake.secrets(), lake.pod_names("airflow"), _names(lake, "jobs")
    with uploads(lake) as sent:
        changed = {"settings": {"MAX_ATTEMPTS": 9}, **at("extractorService.image.tag", OTHER_TAG)}
        lake.upgrade(changed)
    assert sent.refused == []
    assert lake.secrets() == secrets
    assert pods.isdisjoint(lake.pod_names("airflow"))
    assert len(_names(lake, "jobs") - jobs) == 1
    assert _images(lake) == {f"zarr-fuse-extractor:{OTHER_TAG}"}
    lake.await_processed(sent.accepted)


def test_a_rollback_brings_the_values_of_before(lake: Release) -> None:
    secrets = lake.secrets()
    lake.helm("rollback", "1", "--wait", "--timeout", "10m")
    assert lake.secrets() == secrets
    assert _images(lake) == {f"zarr-fuse-extractor:{TAG}"}
    assert "MAX_ATTEMPTS" not in lake.get("configmap", f"{lake.fullname}-settings")["data"]
    assert re.search(r"Phase:\s+Succeeded", lake.helm("test"))


def test_an_older_airflow_and_back(lake: Release) -> None:
    lake.upgrade({"settings": {"MAX_ATTEMPTS": 7}})
    with uploads(lake) as sent:
        lake.paste("upgrade.md", "downgrade")
    assert sent.refused == []
    lake.await_processed(sent.accepted)


def test_a_new_installation_takes_up_what_the_old_one_left(lake: Release) -> None:
    secrets, runs = lake.secrets(), int(lake.in_database("SELECT count(*) FROM dag_run"))
    lake.paste("install-kubernetes.md", "uninstall")
    assert lake.secrets() == secrets
    assert len(_names(lake, "persistentvolumeclaims")) == 1
    wait_until(lambda: not any(lake.fullname in name for name in _names(lake, "pods")), "pods to go", GONE_S)
    lake.install({})
    assert lake.secrets() == secrets
    assert int(lake.in_database("SELECT count(*) FROM dag_run")) >= runs > 0
    with uploads(lake) as sent:
        pass
    lake.await_processed(sent.accepted)


def test_nothing_is_left_where_nothing_shall_be(lake: Release) -> None:
    lake.paste("install-kubernetes.md", "uninstall")
    lake.paste("install-kubernetes.md", "remove")
    wait_until(lambda: _left(lake) == set(), "everything to go", GONE_S)


def _names(lake: Release, kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in lake.get(kind)["items"]}


def _left(lake: Release) -> set[str]:
    return {name for kind in LEFT for name in _names(lake, kind) if lake.fullname in name}


def _images(lake: Release) -> set[str]:
    (pod,) = lake.pods("airflow")
    return {container["image"] for container in pod["spec"]["containers"]}
