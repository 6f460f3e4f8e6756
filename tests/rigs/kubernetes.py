"""A Kubernetes cluster of one node: its real programs, a Docker engine for pods, names for services.

`python -m tests.rigs.kubernetes` brings it up, prints the environment to export, and stays until Ctrl-C.
The first time compiles Kubernetes, eleven minutes on two busy cores; what it makes is kept in
`CLUSTER_RIG` (default /var/tmp/zarr-fuse-cluster). The node takes over the images of the Docker rig
(`DEPLOY_RIG`). Pods are refused unless they meet what the `restricted` pod security standard asks of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.rigs import docker_engine, kubernetes_daemons
from tests.rigs.by_hand import exports, run_by_hand
from tests.rigs.commands import run_command
from tests.rigs.debian import RigUnavailableError, require_packages, unpacked
from tests.rigs.kubernetes_names import ServiceNames
from tests.rigs.kubernetes_node import Node
from tests.rigs.kubernetes_objects import ACCOUNTS, access_file, accounts_file, basics
from tests.rigs.kubernetes_programs import kubernetes_programs
from tests.rigs.waiting import wait_until

FOLDER = Path(os.environ.get("CLUSTER_RIG", "/var/tmp/zarr-fuse-cluster"))
SYSTEM = {
    "runc": "runc",
    "iptables": "iptables",
    "iproute2": "ip",
    "dnsmasq-base": "dnsmasq",
    "socat": "socat",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "openssl": "openssl",
    "procps": "sysctl",
}
START_S, VOLUMES = 180, 8


@dataclass
class Cluster:
    """A running cluster; services and pods are reached from here under their addresses."""

    folder: Path
    programs: Path
    node: Node
    names: ServiceNames | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl, helm and docker need to find this cluster."""
        return {**self.node.environment, "KUBECONFIG": str(self._run_folder / "admin.yaml")}

    @property
    def _run_folder(self) -> Path:
        return self.folder / "run"

    def run(
        self, *command: str | Path, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command outside of the node; a failure shows the end of its output."""
        return run_command(command, self.environment, stdin=stdin, check=check)

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        """Standard output of kubectl."""
        return self.run("kubectl", *arguments, stdin=stdin).stdout.strip()

    def get(self, *arguments: str) -> dict[str, Any]:
        """What `kubectl get` answers, as an object."""
        return dict(json.loads(self.kubectl("get", *arguments, "--output", "json")))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Have these objects in the cluster."""
        self.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(objects))

    def helm(self, *arguments: str | Path) -> str:
        """Standard output of helm."""
        return self.run("helm", *arguments).stdout

    def docker(self, *arguments: str | Path) -> str:
        """Standard output of a docker command on the node."""
        return self.run("docker", *arguments).stdout.strip()

    def start(self) -> None:
        """Bring everything up and wait until the node takes pods.

        Raises:
            RigUnavailableError: no-namespaces, busy or no-cluster.
        """
        self._run_folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.folder / "volumes", ignore_errors=True)
        self.node.start()
        try:
            self._start_engine()
            self._start_control_plane()
            self._start_node()
        except (AssertionError, RuntimeError) as reason:
            raise RigUnavailableError(f"no-cluster: {reason} {' '.join(self.node.ended())}") from None

    def _start_engine(self) -> None:
        run, socket = self._run_folder, self.node.environment["DOCKER_HOST"]
        self.node.spawn("dockerd", *kubernetes_daemons.engine(run, docker_engine.FOLDER / "data", socket))
        self._await("the engine", "docker", "version")
        self.run("tar", "--create", "--file", run / "pause.tar", "--directory", self.programs, "pause")
        entry = 'ENTRYPOINT ["/pause"]'
        self.docker("import", "--change", entry, run / "pause.tar", kubernetes_daemons.PAUSE)

    def _start_control_plane(self) -> None:
        run = self._run_folder
        _private(run / "accounts.csv", accounts_file())
        for account in ACCOUNTS:
            _private(run / f"{account}.yaml", access_file(account, kubernetes_daemons.API))
        self.run("openssl", "genrsa", "-out", run / "accounts.key", "2048")
        self.node.spawn("etcd", *kubernetes_daemons.etcd())
        self.node.spawn("kube-apiserver", *kubernetes_daemons.api_server(run))
        self._await("the API", "kubectl", "get", "--raw", "/readyz")
        self.apply(*basics(VOLUMES, self.folder / "volumes"))
        self.node.spawn("kube-controller-manager", *kubernetes_daemons.controllers(run))
        self.node.spawn("kube-scheduler", *kubernetes_daemons.scheduler(run))

    def _start_node(self) -> None:
        run, socket = self._run_folder, self.node.environment["DOCKER_HOST"]
        self.names = ServiceNames(self.node, run, kubernetes_daemons.API, ACCOUNTS["admin"].token)
        self.names.start()
        self.node.spawn("kube-proxy", *kubernetes_daemons.proxy(run))
        self.node.spawn("kubelet", *kubernetes_daemons.kubelet(run, socket))
        self._await("the node", "kubectl", "get", "node", "node")
        self._await("the node", "kubectl", "wait", "--for=condition=Ready", "node/node", "--timeout=1s")

    def _await(self, what: str, *question: str) -> None:
        wait_until(self._answered(what, question), what, START_S)

    def _answered(self, what: str, question: tuple[str, ...]) -> Callable[[], bool]:
        def holds() -> bool:
            if self.node.ended():
                raise RuntimeError(f"{what} does not come up:")
            return self.run(*question, check=False).returncode == 0

        return holds

    def stop(self) -> None:
        """Take the containers away and end every process."""
        if self.names:
            self.names.stop()
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            self.node.end("kubelet")
            ids = self.docker("ps", "--all", "--quiet").split()
            if ids:
                self.docker("rm", "--force", "--volumes", *ids)
            self.node.end("dockerd")
        self.node.stop()


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster for the length of the block.

    Raises:
        RigUnavailableError: not-root, no-apt, install-failed, no-npm, no-source or not-compiled where a part
            cannot be had; no-namespaces, busy or no-cluster where it does not start.
    """
    require_packages(SYSTEM.keys(), SYSTEM.values())
    engine = unpacked(docker_engine.FOLDER / "root", docker_engine.PACKAGES) / "usr"
    programs = kubernetes_programs(FOLDER)
    paths = (programs, engine / "sbin", engine / "bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
    environment = {
        **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
        "PATH": os.pathsep.join(map(str, paths)),
        "DOCKER_HOST": f"unix://{FOLDER}/run/docker.sock",
    }
    cluster = Cluster(FOLDER, programs, Node(FOLDER / "node", environment, programs / "pause"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def told(cluster: Cluster) -> str:
    """What clients need to know."""
    return exports(cluster.environment, "KUBECONFIG", "DOCKER_HOST", "PATH")


def main() -> int:
    """Run one until Ctrl-C or SIGTERM."""
    return run_by_hand(running_cluster, told)


if __name__ == "__main__":
    sys.exit(main())
