"""A machine inside this machine: namespaces for network, mounts and processes of a cluster's node.

Bridges, packet filter rules, mounts and processes die with it; nothing of them is seen outside. One pair of
virtual interfaces leads in, so that this machine reaches the node, its pods and their services.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.rigs.debian import RigUnavailableError
from tests.rigs.waiting import wait_until

LINK = "zfk8s"
OUTSIDE, NODE = "10.201.0.1", "10.201.0.2"
SERVICES, PODS, BRIDGE = "10.202.0.0/16", "10.203.0.0/16", "10.203.0.1"
OWN_COPIES = ("/etc", "/var/lib", "/var/log")
CGROUPS = Path("/sys/fs/cgroup")
START_S, COMMAND_S, STOP_S = 10, 60, 20
PREPARE = """
set -eu
mount -t tmpfs tmpfs /run
for place in {copies}; do
  layers={folder}/layers$place
  rm -rf "$layers"; mkdir -p "$layers/upper" "$layers/work"
  mount -t overlay overlay -o "lowerdir=$place,upperdir=$layers/upper,workdir=$layers/work" "$place"
done
mount --make-rshared /
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1
"""
CONNECT = """
set -eu
ip link add {link} type veth peer name {link} netns {pid}
ip address add {outside}/30 dev {link}
ip link set {link} up
nsenter --target {pid} --net ip address add {node}/30 dev {link}
nsenter --target {pid} --net ip link set {link} up
nsenter --target {pid} --net ip route add default via {outside}
ip route add {services} via {node}
ip route add {pods} via {node}
"""


@dataclass
class Node:
    """Namespaces, and the daemons in them by name."""

    folder: Path
    environment: dict[str, str]
    init: Path
    _holder: subprocess.Popen[bytes] | None = None
    _pid: int = 0
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Make the namespaces and connect them.

        Raises:
            RigUnavailableError: no-namespaces, or busy where another one holds the addresses.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if Path(f"/sys/class/net/{LINK}").exists():
            raise RigUnavailableError(f"busy: {LINK} belongs to a cluster that runs already")
        apart = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *apart, self.init],
            stdin=subprocess.DEVNULL,
        )
        self._pid = self._await_init()
        self.run("bash", "-c", PREPARE.format(folder=self.folder, copies=" ".join(OWN_COPIES)))
        names = {"outside": OUTSIDE, "node": NODE, "services": SERVICES, "pods": PODS}
        _shell(CONNECT.format(link=LINK, pid=self._pid, **names))

    def _await_init(self) -> int:
        """The process that holds the namespaces, as this machine numbers it."""
        assert self._holder is not None
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._holder.poll() is None:
            for child in children.read_text().split():
                if str(self.init) in Path(f"/proc/{child}/cmdline").read_text():
                    return int(child)
            time.sleep(0.05)
        raise RigUnavailableError("no-namespaces: unshare does not give them here")

    @property
    def _enter(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self._pid), "--net", "--mount", "--pid")

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Standard output of a command on the node."""
        return _output((*self._enter, *map(str, command)), self.environment, check)

    def spawn(self, name: str, *command: str | Path) -> None:
        """Start a daemon on the node; what it says goes to a file."""
        with self.log(name).open("wb") as log:
            self._daemons[name] = subprocess.Popen(
                [*self._enter, *map(str, command)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def ended(self) -> list[str]:
        """The daemons that run no more, each with the end of what it said."""
        gone = [name for name, process in self._daemons.items() if process.poll() is not None]
        return [f"{name}: {self.log(name).read_text(errors='replace')[-1500:]}" for name in gone]

    def end(self, name: str) -> None:
        """End one daemon in order."""
        process = self._daemons.pop(name, None)
        if process is None:
            return
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child[0]), signal.SIGTERM)
        process.wait(STOP_S)

    def stop(self) -> None:
        """End every process of the node, which takes its network and mounts with it."""
        if self._holder is None:
            return
        self._holder.kill()
        for process in (self._holder, *self._daemons.values()):
            process.wait(STOP_S)
        _shell(f"ip link del {LINK} 2>/dev/null || true")
        wait_until(_cgroups_are_gone, "control groups to end", STOP_S)


def _cgroups_are_gone() -> bool:
    """Take away the control groups of pods, which can be done as soon as their last process has ended."""
    for top in CGROUPS.glob("*/kubepods"):
        for place in sorted([top, *top.rglob("*/")], key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                place.rmdir()
    return not any(CGROUPS.glob("*/kubepods"))


def _shell(script: str) -> None:
    _output(("bash", "-c", script), None, check=True)


def _output(command: tuple[str, ...], environment: dict[str, str] | None, check: bool) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr[-1500:]}")
    return done.stdout
