"""Accounts of a cluster's parts, and the objects that every cluster of this rig has."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, NamedTuple

import yaml

RESTRICTED = "restricted"
STORAGE_CLASS = "local"
VOLUMES = ("configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret")


class Account(NamedTuple):
    """Who asks the API server, and the token that proves it."""

    user: str
    group: str
    token: str


def _account(user: str, group: str = "") -> Account:
    return Account(user, group, uuid.uuid4().hex)


ACCOUNTS = {
    "admin": _account("admin", "system:masters"),
    "controllers": _account("system:kube-controller-manager"),
    "scheduler": _account("system:kube-scheduler"),
    "proxy": _account("system:kube-proxy"),
    "node": _account("system:node:node", "system:nodes"),
}


def accounts_file() -> str:
    """The accounts as the API server reads them."""
    return "".join(f'{one.token},{one.user},{one.user},"{one.group}"\n' for one in ACCOUNTS.values())


def access_file(account: str, address: str) -> str:
    """How a client reaches the API server under an account."""
    cluster = {"server": address, "insecure-skip-tls-verify": True}
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rig", "cluster": cluster}],
        "users": [{"name": account, "user": {"token": ACCOUNTS[account].token}}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": account}}],
        "current-context": "rig",
    }
    return yaml.safe_dump(found)


def basics(volumes: int, folder: Path) -> list[dict[str, Any]]:
    """Who may run which pods, and volumes that claims find by themselves."""
    found = [_restricted(), *_may_use(RESTRICTED), _storage_class()]
    for number in range(volumes):
        place = folder / f"volume-{number}"
        place.mkdir(parents=True, exist_ok=True)
        found.append(_volume(place))
    return found


def _restricted() -> dict[str, Any]:
    """What the pod security standard of this name asks, in the words of Kubernetes 1.20."""
    return {
        "apiVersion": "policy/v1beta1",
        "kind": "PodSecurityPolicy",
        "metadata": {
            "name": RESTRICTED,
            "annotations": {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default"},
        },
        "spec": {
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "requiredDropCapabilities": ["ALL"],
            "hostNetwork": False,
            "hostIPC": False,
            "hostPID": False,
            "runAsUser": {"rule": "MustRunAsNonRoot"},
            "seLinux": {"rule": "RunAsAny"},
            "supplementalGroups": {"rule": "RunAsAny"},
            "fsGroup": {"rule": "RunAsAny"},
            "readOnlyRootFilesystem": True,
            "volumes": [
                "configMap",
                "emptyDir",
                "projected",
                "secret",
                "downwardAPI",
                "persistentVolumeClaim",
            ],
        },
    }


def _may_use(policy: str) -> list[dict[str, Any]]:
    rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": f"pods-{policy}"}}
    everybody = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"pods-{policy}"}
    return [
        {**role, "kind": "ClusterRole", "rules": [{**rule, "resourceNames": [policy]}]},
        {**role, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [everybody]},
    ]


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(place: Path) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": place.name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
