"""A release of the chart, and what one does with it."""

from __future__ import annotations

import base64
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.cluster.images import image
from tests.cluster.storage import KEYS, Storage
from tests.deploy.chart import CHART, Manifest, merged
from tests.docs.blocks import blocks_of
from tests.rigs.kubernetes import Cluster
from tests.rigs.project import ROOT
from tests.rigs.waiting import wait_until

OLD_NAMES = {
    "Chart.yaml": (('kubeVersion: ">=1.25.0-0"', 'kubeVersion: ">=1.20.0-0"'),),
    "templates/airflow/clean.yaml": (("apiVersion: batch/v1\n", "apiVersion: batch/v1beta1\n"),),
    "templates/ingress-service/scaling.yaml": (
        ("apiVersion: autoscaling/v2\n", "apiVersion: autoscaling/v2beta2\n"),
        ("apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n"),
    ),
}
PATIENCE_S = 300.0
HOW_TO = ROOT / "docs" / "how-to"
COMPONENT = "app.kubernetes.io/component"


def put_chart(folder: Path) -> None:
    """Copy the chart for the cluster's Kubernetes: three kinds go by older names there."""
    copy = shutil.copytree(CHART, folder / "charts" / CHART.name)
    for name, changes in OLD_NAMES.items():
        text = (copy / name).read_text(encoding="utf-8")
        for new, old in changes:
            assert text.count(new) == 1, f"{name}: {new}"
            text = text.replace(new, old)
        (copy / name).write_text(text, encoding="utf-8")


@contextmanager
def namespace(cluster: Cluster, name: str) -> Iterator[None]:
    """A namespace with the secret of the storage, gone when the block ends."""
    cluster.kubectl("create", "namespace", name)
    keys = [f"--from-literal={key}={value}" for key, value in KEYS.items()]
    cluster.kubectl("--namespace", name, "create", "secret", "generic", "ingress-s3", *keys)
    try:
        yield
    finally:
        cluster.run("helm", "uninstall", name, "--namespace", name, check=False)
        cluster.run("kubectl", "delete", "namespace", name, "--timeout=300s", check=False)


@dataclass
class Release:
    """The release `name` in the namespace of the same name; commands run in a folder with the chart."""

    cluster: Cluster
    folder: Path
    name: str
    bucket: str
    storage: Storage

    @property
    def fullname(self) -> str:
        return f"{self.name}-zarr-fuse-ingress"

    def kubectl(self, *arguments: str | Path) -> str:
        return self.cluster.kubectl("--namespace", self.name, *arguments)

    def get(self, *arguments: str) -> dict[str, Any]:
        return self.cluster.get("--namespace", self.name, *arguments)

    def helm(self, command: str, *arguments: str | Path) -> str:
        """A command of helm for this release."""
        return self.cluster.helm(command, self.name, *arguments, "--namespace", self.name)

    def install(self, values: dict[str, Any]) -> str:
        """Install it as the how-to says, which ends with `helm test`."""
        self.give(values)
        return self.paste("install-kubernetes.md", "install")

    def upgrade(self, values: dict[str, Any]) -> str:
        """Give it other values as the how-to says, which ends with `helm test`."""
        self.give(values)
        return self.paste("upgrade.md", "upgrade")

    def give(self, values: dict[str, Any]) -> None:
        """Write the values that the next command of the how-to takes."""
        text = yaml.safe_dump(merged(self._site(), values))
        (self.folder / "site.yaml").write_text(text, encoding="utf-8")

    def paste(self, page: str, name: str) -> str:
        """Run a marked block of a how-to page, as a reader of another release would."""
        (text,) = [block.text for block in blocks_of(HOW_TO / page, "cluster") if block.name == name]
        own = re.sub(r"\blake\b", self.name, text)
        script = f"cd {shlex.quote(str(self.folder))}\n{own}"
        return self.cluster.run("bash", "-euo", "pipefail", "-c", script).stdout

    def _site(self) -> dict[str, Any]:
        address = f"s3://{self.bucket}/site/store.zarr"
        s3 = {"endpointUrl": self.storage.endpoint, "storeUrl": address, "existingSecret": "ingress-s3"}
        services = {f"{name}Service": {"image": image(name)} for name in ("ingress", "extractor")}
        return {"global": {"s3": s3}, **services}

    def pods(self, component: str) -> list[Manifest]:
        """The pods of a component that are not on their way out."""
        found = self.get("pods", "--selector", f"{COMPONENT}={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod_names(self, component: str) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods(component)}

    def secret(self, name: str) -> dict[str, str]:
        """A secret in plain text."""
        data = self.get("secret", f"{self.fullname}-{name}")["data"]
        return {key: base64.b64decode(text).decode() for key, text in data.items()}

    def secrets(self) -> dict[str, dict[str, str]]:
        return {name: self.secret(name) for name in ("airflow", "postgres", "users")}

    def address(self, component: str) -> str:
        service = self.get("service", f"{self.fullname}-{component}")["spec"]
        return f"http://{service['clusterIP']}:{service['ports'][0]['port']}"

    def client(self) -> httpx.Client:
        """A client of the ingress that may do everything."""
        auth = ("admin", self.secret("users")["admin-password"])
        return httpx.Client(base_url=self.address("ingress"), auth=auth, timeout=60, trust_env=False)

    def await_processed(self, ids: set[str]) -> None:
        """Return as soon as every one of these items is merged."""
        with self.client() as client:
            wait_until(lambda: ids <= _processed(client), f"{len(ids)} items", PATIENCE_S)

    def in_database(self, statement: str) -> str:
        """What the bundled database answers."""
        ask = f'PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U airflow -At airflow -c "{statement}"'
        return self.kubectl("exec", f"{self.fullname}-postgres-0", "--", "bash", "-c", ask)


def _processed(client: httpx.Client) -> set[str]:
    found: set[str] = set()
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = client.get("/api/v1/items", params={"state": "processed", "limit": 500, **more})
        page = answer.raise_for_status().json()
        found |= {item["item_id"] for item in page["items"]}
        cursor = page["next_cursor"]
        if not cursor:
            return found
