"""Network policies held against the connections that pods really made, since nothing enforces them here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from threading import Event, Thread
from typing import Any, NamedTuple

from tests.cluster.release import COMPONENT, Release
from tests.deploy.chart import Manifest
from tests.rigs.kubernetes_node import BRIDGE, NODE, PODS

PAUSE_S = 0.3
LINE = re.compile(r"src=(?P<client>\S+) .* src=(?P<server>\S+) \S+ sport=(?P<port>\d+)")
ANYWHERE = "elsewhere"


class Connection(NamedTuple):
    """From an address to another one and its port, behind the address of a service."""

    client: str
    server: str
    port: int

    @property
    def ends(self) -> set[str]:
        return {self.client, self.server}


class Traffic:
    """The connections of a release, as the node's kernel tracks them."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._ended = Event()
        self.seen: set[tuple[str, str, int]] = set()
        self.forbidden: set[tuple[str, str, int]] = set()

    def watch(self) -> None:
        policies = self._release.get("networkpolicies")["items"]
        while not self._ended.wait(PAUSE_S):
            lines = self._release.cluster.node.run("conntrack", "-L", "-p", "tcp", "--state", "ESTABLISHED")
            everybody = _by_address(self._release.cluster.get("pods", "--all-namespaces")["items"])
            own = {where: pod for where, pod in everybody.items() if self._owns(pod)}
            for connection in connections(lines):
                if connection.ends & own.keys() and all(_is_known(end, everybody) for end in connection.ends):
                    self._judge(policies, own, connection)

    def _owns(self, pod: Manifest) -> bool:
        return bool(pod["metadata"]["namespace"] == self._release.name)

    def _judge(self, policies: list[Manifest], pods: dict[str, Manifest], connection: Connection) -> None:
        name = (_component(pods, connection.client), _component(pods, connection.server), connection.port)
        self.seen.add(name)
        if not allowed(policies, pods, connection):
            self.forbidden.add(name)

    def between(self) -> set[tuple[str, str]]:
        """Which component called which, or something elsewhere."""
        return {(client, server) for client, server, _ in self.seen}

    def end(self) -> None:
        self._ended.set()


@contextmanager
def traffic(release: Release) -> Iterator[Traffic]:
    """The connections that are made while the block runs."""
    watched = Traffic(release)
    thread = Thread(target=watched.watch)
    thread.start()
    try:
        yield watched
    finally:
        watched.end()
        thread.join()


def connections(lines: str) -> Iterator[Connection]:
    """What `conntrack` lists."""
    for found in map(LINE.search, lines.splitlines()):
        if found:
            yield Connection(found["client"], found["server"], int(found["port"]))


def allowed(policies: list[Manifest], pods: dict[str, Manifest], connection: Connection) -> bool:
    """Whether both ends may; the node itself, which asks the probes, always may."""
    client, server = pods.get(connection.client), pods.get(connection.server)
    out = _may("egress", "to", policies, client, server, server, connection.port)
    probe = connection.client in {BRIDGE, NODE}
    return out and (probe or _may("ingress", "from", policies, server, client, server, connection.port))


def _may(
    way: str,
    peers: str,
    policies: list[Manifest],
    own: Manifest | None,
    other: Manifest | None,
    server: Manifest | None,
    port: int,
) -> bool:
    specs = [policy["spec"] for policy in policies]
    mine = [
        spec
        for spec in specs
        if own and way.capitalize() in spec["policyTypes"] and _selects(spec["podSelector"], own)
    ]
    rules = [rule for spec in mine for rule in spec.get(way) or []]
    return not mine or any(_meets(rule, peers, other) and _opens(rule, server, port) for rule in rules)


def _meets(rule: dict[str, Any], peers: str, other: Manifest | None) -> bool:
    named = rule.get(peers)
    return not named or any(other and _selects(peer["podSelector"], other) for peer in named)


def _opens(rule: dict[str, Any], server: Manifest | None, port: int) -> bool:
    containers = server["spec"]["containers"] if server else []
    names = {one["name"]: one["containerPort"] for each in containers for one in each.get("ports", [])}
    wanted = [one["port"] for one in rule.get("ports", [])]
    return not wanted or port in {names.get(one, one) for one in wanted}


def _selects(selector: dict[str, Any], pod: Manifest) -> bool:
    return bool(selector["matchLabels"].items() <= pod["metadata"]["labels"].items())


def _by_address(pods: list[Manifest]) -> dict[str, Manifest]:
    return {pod["status"]["podIP"]: pod for pod in pods if "podIP" in pod["status"]}


def _is_known(address: str, pods: dict[str, Manifest]) -> bool:
    """Whether it is a listed pod or no pod; the address of a pod is listed a moment after it is used."""
    return address in {*pods, BRIDGE} or ip_address(address) not in ip_network(PODS)


def _component(pods: dict[str, Manifest], address: str) -> str:
    return str(pods[address]["metadata"]["labels"][COMPONENT]) if address in pods else ANYWHERE
