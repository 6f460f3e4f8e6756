"""A real Ceph RADOS gateway on loopback: one monitor, one object daemon in memory, one gateway.

`python -m tests.rigs.ceph_rgw` brings it up, prints its address and keys, and stays until Ctrl-C. What is
missing is installed from Debian's packages. Everything dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.rigs.by_hand import run_by_hand
from tests.rigs.debian import require_packages
from tests.rigs.ports import free_port

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw")
ACCESS_KEY, SECRET_KEY = "key", "secret"
START_S, STOP_S = 90, 15

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
crash dir = {folder}
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
paxos propose interval = 0.05
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
keyring = {folder}/osd/keyring
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{rgw_port}
rgw thread pool size = 32
"""


@dataclass
class CephRgw:
    """A running cluster; `endpoint` takes `ACCESS_KEY` and `SECRET_KEY`."""

    folder: Path
    port: int = 0
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Make the cluster and wait until the gateway answers."""
        self.port = free_port()
        for name in ("mon", "osd", "rgw"):
            (self.folder / name).mkdir()
        monitor_port, cluster = free_port(), str(uuid.uuid4())
        self._configuration.write_text(
            CONFIGURATION.format(
                fsid=cluster, mon_port=monitor_port, rgw_port=self.port, folder=self.folder
            ).lstrip()
        )
        self._make_keys()
        address = f"[v2:127.0.0.1:{monitor_port}/0]"
        self._run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, self._map)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", self._map, "--keyring", self._keys)
        self._daemon("ceph-mon", "-i", "a")
        self._add_object_daemon()
        self.start_gateway()
        keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
        self._run("radosgw-admin", "user", "create", "--uid", "test", "--display-name", "test", *keys)

    def start_gateway(self) -> None:
        """Start the gateway, also after `stop_gateway`."""
        self._daemon("radosgw", "-n", "client.rgw")
        self._until(self._answers, "radosgw")

    def stop_gateway(self) -> None:
        """Let connections be refused from now on."""
        self._stop("radosgw")

    def stop(self) -> None:
        """End all daemons, the gateway first."""
        for name in reversed(list(self._daemons)):
            self._stop(name)

    @property
    def _configuration(self) -> Path:
        return self.folder / "ceph.conf"

    @property
    def _map(self) -> str:
        return str(self.folder / "monmap")

    @property
    def _keys(self) -> str:
        return str(self.folder / "keyring")

    def _make_keys(self) -> None:
        everything = ("--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        for name in ("mon.", "client.admin", "client.rgw"):
            create = () if Path(self._keys).exists() else ("--create-keyring",)
            caps = ("--cap", "mon", "allow *", *everything)
            self._run("ceph-authtool", self._keys, *create, "--gen-key", "-n", name, *caps)

    def _add_object_daemon(self) -> None:
        name, key = str(uuid.uuid4()), self._run("ceph-authtool", "--gen-print-key").strip()
        (self.folder / "osd" / "fsid").write_text(name)
        secrets = self.folder / "osd" / "secrets.json"
        secrets.write_text(json.dumps({"cephx_secret": key}))
        self._run("ceph", "--connect-timeout", "30", "osd", "new", name, "-i", str(secrets))
        keyring = str(self.folder / "osd" / "keyring")
        self._run("ceph-authtool", "--create-keyring", keyring, "-n", "osd.0", "--add-key", key)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)
        self._daemon("ceph-osd", "-i", "0")
        self._until(lambda: "1 up" in self._run("ceph", "osd", "stat"), "ceph-osd")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=START_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def _daemon(self, *command: str) -> None:
        """Run a daemon that dies with this process."""
        with (self.folder / f"{command[0]}.out").open("ab") as output:
            self._daemons[command[0]] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command, "--foreground"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _stop(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        daemon.terminate()
        try:
            daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _until(self, condition: Callable[[], bool], daemon: str) -> None:
        deadline = time.monotonic() + START_S
        while not condition():
            ended = self._daemons[daemon].poll() is not None
            if ended or time.monotonic() > deadline:
                output = (self.folder / f"{daemon}.out").read_text(errors="replace")[-1000:]
                raise RuntimeError(f"{daemon} {'ended' if ended else 'does not answer'}: {output}")
            time.sleep(0.1)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self._configuration)}


@contextlib.contextmanager
def running_gateway() -> Iterator[CephRgw]:
    """A gateway for the length of the block.

    Raises:
        RigUnavailableError: not-root, no-apt or install-failed.
    """
    require_packages(PACKAGES, (*PACKAGES, "ceph", "setpriv"))
    folder = Path(tempfile.mkdtemp(prefix="ceph-rgw-"))
    rig = CephRgw(folder)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        shutil.rmtree(folder, ignore_errors=True)


def told(rig: CephRgw) -> str:
    """What clients need to know."""
    return f"S3_ENDPOINT_URL={rig.endpoint} S3_ACCESS_KEY={ACCESS_KEY} S3_SECRET_KEY={SECRET_KEY}"


def main() -> int:
    """Run one until Ctrl-C or SIGTERM."""
    return run_by_hand(running_gateway, told)


if __name__ == "__main__":
    sys.exit(main())
