from __future__ import annotations

import pytest

from tests.cluster.policies import Connection, allowed, connections
from tests.deploy.chart import rendered
from tests.rigs.kubernetes_node import BRIDGE

LISTED = (
    "tcp 6 86399 ESTABLISHED src=10.203.0.5 dst=10.202.1.2 sport=41234 dport=80 "
    "src=10.203.0.2 dst=10.203.0.5 sport=8000 dport=41234 [ASSURED] mark=0 use=1\n"
)
PORTS = {"airflow": {"http": 8080}, "ingress": {"http": 8000}, "postgres": {"postgres": 5432}}
ADDRESSES = {"ingress": "10.0.0.1", "airflow": "10.0.0.2", "postgres": "10.0.0.3", "worker": "10.0.0.4"}
BUCKET = "192.0.2.1"


def pod(component: str) -> dict:
    ports = [{"name": name, "containerPort": port} for name, port in PORTS.get(component, {}).items()]
    labels = {
        "app.kubernetes.io/name": "zarr-fuse-ingress",
        "app.kubernetes.io/instance": "lake",
        "app.kubernetes.io/component": component,
    }
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"ports": ports}]}}


def may(case: str, client: str, server: str, port: int) -> bool:
    policies = [one for one in rendered(case) if one["kind"] == "NetworkPolicy"]
    pods = {address: pod(component) for component, address in ADDRESSES.items()}
    connection = Connection(ADDRESSES.get(client, client), ADDRESSES.get(server, server), port)
    return allowed(policies, pods, connection)


def test_connection_is_read_from_both_of_its_ways():
    assert list(connections(LISTED)) == [Connection("10.203.0.5", "10.203.0.2", 8000)]


@pytest.mark.parametrize(
    ("client", "server", "port"),
    [
        ("ingress", "airflow", 8080),
        ("ingress", BUCKET, 443),
        ("airflow", "postgres", 5432),
        ("airflow", BUCKET, 6443),
        ("worker", "airflow", 8080),
        ("worker", BUCKET, 8080),
        (BUCKET, "ingress", 8000),
        (BRIDGE, "airflow", 8974),
    ],
)
def test_policies_let_through_what_the_parts_need(client, server, port):
    assert may("kubernetes-executor", client, server, port)


@pytest.mark.parametrize(
    ("client", "server", "port"),
    [
        ("ingress", "postgres", 5432),
        ("postgres", BUCKET, 443),
        ("worker", BUCKET, 6443),
        ("ingress", BUCKET, 22),
        (BUCKET, "airflow", 8080),
        (BUCKET, "postgres", 5432),
        ("airflow", "ingress", 8000),
    ],
)
def test_policies_keep_the_rest_apart(client, server, port):
    assert not may("kubernetes-executor", client, server, port)
