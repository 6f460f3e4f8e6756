"""An S3 in the cluster: the gateway that Compose brings up too, as a pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
import obstore.store
import xarray as xr
import zarr.storage

from tests.cluster.images import TAG
from tests.rigs.kubernetes import Cluster

NAMESPACE, PORT = "storage", 7480
KEYS = {"S3_ACCESS_KEY": "key", "S3_SECRET_KEY": "secret"}
NOBODY = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
POD_RIGHTS = {**NOBODY, "seccompProfile": {"type": "RuntimeDefault"}}
RIGHTS = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True)
class Storage:
    """Reached by pods under its name, and from here under its address."""

    address: str
    endpoint: str = f"http://s3.{NAMESPACE}.svc.cluster.local:{PORT}"

    def client(self) -> Any:
        keys = {"aws_access_key_id": KEYS["S3_ACCESS_KEY"], "aws_secret_access_key": KEYS["S3_SECRET_KEY"]}
        return boto3.client("s3", endpoint_url=self.address, region_name="us-east-1", **keys)

    def bucket(self, name: str) -> str:
        """Make a bucket."""
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def keys(self, bucket: str, prefix: str) -> list[str]:
        client = self.client()
        found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        client.close()
        return [one["Key"] for one in found]

    def dataset(self, bucket: str, node: str) -> xr.Dataset:
        """A node of the default store, as plain xarray opens it."""
        config: obstore.store.S3Config = {
            "bucket": bucket,
            "region": "us-east-1",
            "endpoint": self.address,
            "access_key_id": KEYS["S3_ACCESS_KEY"],
            "secret_access_key": KEYS["S3_SECRET_KEY"],
        }
        store = obstore.store.S3Store(
            prefix="site/store.zarr", config=config, client_options={"allow_http": True}
        )
        return xr.open_zarr(zarr.storage.ObjectStore(store, read_only=True), group=node, consolidated=False)


def storage(cluster: Cluster) -> Storage:
    """Bring the S3 up and wait until it answers."""
    labels = {"app": "s3"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.apply(_deployment(labels), _service(labels))
    cluster.kubectl("--namespace", NAMESPACE, "rollout", "status", "deployment/s3", "--timeout=300s")
    address = cluster.get("service", "s3", "--namespace", NAMESPACE)["spec"]["clusterIP"]
    return Storage(f"http://{address}:{PORT}")


def _deployment(labels: dict[str, str]) -> dict[str, Any]:
    places = {"data": "/data", "tmp": "/tmp"}
    container = {
        "name": "s3",
        "image": f"zarr-fuse-s3:{TAG}",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": RIGHTS,
        "env": [{"name": name, "value": value} for name, value in KEYS.items()],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 2},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in places.items()],
    }
    pod = {
        "enableServiceLinks": False,
        "securityContext": POD_RIGHTS,
        "containers": [container],
        "volumes": [{"name": name, "emptyDir": {}} for name in places],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "s3", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def _service(labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s3", "namespace": NAMESPACE},
        "spec": {"selector": labels, "ports": [{"port": PORT}]},
    }
