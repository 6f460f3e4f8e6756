"""Names of services, as pods ask for them: dnsmasq, told of every service that the API server knows."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import httpx

from tests.rigs.kubernetes_node import BRIDGE, Node

AGAIN_S, QUIET_S = 0.5, 5.0
HEADLESS = "None"


class ServiceNames:
    """Follows the services in a thread of its own."""

    def __init__(self, node: Node, run: Path, api: str, token: str) -> None:
        self._node, self._hosts, self._pid = node, run / "hosts", run / "dnsmasq.pid"
        self._api, self._token = api, token
        self._addresses: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        self._hosts.write_text("", encoding="utf-8")
        self._pid.unlink(missing_ok=True)
        self._node.spawn(
            "dnsmasq",
            *("dnsmasq", "--keep-in-foreground", "--user=root", "--no-resolv", "--no-hosts"),
            *("--conf-file=/dev/null", f"--listen-address={BRIDGE}", "--bind-interfaces"),
            *("--local=/cluster.local/", f"--addn-hosts={self._hosts}", f"--pid-file={self._pid}"),
        )
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(headers=headers, verify=False, trust_env=False, timeout=QUIET_S) as api:
            while not self._ended.wait(AGAIN_S):
                with contextlib.suppress(httpx.HTTPError, RuntimeError):
                    self._publish(api.get(f"{self._api}/api/v1/services").raise_for_status().json()["items"])

    def _publish(self, services: list[dict[str, Any]]) -> None:
        found = {_name(one["metadata"]): one["spec"].get("clusterIP", HEADLESS) for one in services}
        if found != self._addresses and self._pid.exists():
            lines = (f"{address} {name}\n" for name, address in found.items() if address != HEADLESS)
            self._hosts.write_text("".join(lines), encoding="utf-8")
            self._node.run("kill", "-HUP", self._pid.read_text().strip())
            self._addresses = found


def _name(metadata: dict[str, str]) -> str:
    return f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"
