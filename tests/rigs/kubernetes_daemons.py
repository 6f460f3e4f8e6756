"""Command lines of the daemons of a cluster."""

from __future__ import annotations

from pathlib import Path

from tests.rigs.kubernetes_node import BRIDGE, NODE, PODS, SERVICES

API, ETCD, ETCD_PEERS = f"https://{NODE}:6443", "http://127.0.0.1:2379", "http://127.0.0.1:2380"
PAUSE = "pause:local"
Command = tuple[str | Path, ...]


def engine(run: Path, data: Path, socket: str) -> Command:
    """Docker, whose bridge the pods lie on; packets are kube-proxy's affair."""
    return (
        *("dockerd", "--data-root", data, "--exec-root", run / "exec", "--pidfile", run / "docker.pid"),
        *("--host", socket, "--bip", f"{BRIDGE}/16", "--default-ulimit", "nofile=20000:20000"),
        *("--iptables=false", "--ip-masq=false", "--userland-proxy=false"),
    )


def etcd() -> Command:
    """The memory of the cluster, which ends with it."""
    return (
        *("etcd", "--data-dir", "/run/etcd", "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD),
        *("--listen-peer-urls", ETCD_PEERS),
    )


def api_server(run: Path) -> Command:
    """The API, which refuses pods that no policy allows."""
    return (
        *("kube-apiserver", f"--etcd-servers={ETCD}", f"--service-cluster-ip-range={SERVICES}"),
        *("--bind-address=0.0.0.0", f"--advertise-address={NODE}", "--secure-port=6443"),
        *(f"--cert-dir={run / 'certificates'}", f"--token-auth-file={run / 'accounts.csv'}"),
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,PodSecurityPolicy"),
        *("--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true"),
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={run / 'accounts.key'}",
        f"--service-account-signing-key-file={run / 'accounts.key'}",
    )


def controllers(run: Path) -> Command:
    """Everything that turns wishes into objects."""
    return (
        *("kube-controller-manager", f"--kubeconfig={run / 'controllers.yaml'}", "--leader-elect=false"),
        *("--use-service-account-credentials=true", f"--root-ca-file={run}/certificates/apiserver.crt"),
        f"--service-account-private-key-file={run / 'accounts.key'}",
    )


def scheduler(run: Path) -> Command:
    """Finds the node for a pod."""
    return ("kube-scheduler", f"--kubeconfig={run / 'scheduler.yaml'}", "--leader-elect=false")


def proxy(run: Path) -> Command:
    """Leads the addresses of services to pods."""
    return (
        *("kube-proxy", f"--kubeconfig={run / 'proxy.yaml'}", "--proxy-mode=iptables"),
        *(f"--cluster-cidr={PODS}", "--hostname-override=node", "--conntrack-max-per-core=0"),
    )


def kubelet(run: Path, socket: str) -> Command:
    """Runs the pods; it takes no image away, however full the disk is."""
    return (
        *("kubelet", f"--kubeconfig={run / 'node.yaml'}", f"--node-ip={NODE}", "--hostname-override=node"),
        *(f"--docker-endpoint={socket}", "--container-runtime=docker", "--cgroup-driver=cgroupfs"),
        *(f"--pod-infra-container-image={PAUSE}", "--fail-swap-on=false", "--read-only-port=0"),
        *(f"--cluster-dns={BRIDGE}", "--cluster-domain=cluster.local", "--resolv-conf="),
        *("--image-gc-high-threshold=100", "--eviction-hard=memory.available<100Mi"),
        *("--anonymous-auth=true", "--authorization-mode=AlwaysAllow"),
    )
