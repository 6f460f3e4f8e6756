"""A Docker engine with Compose of the tests' own: unpacked from Debian's packages, on a socket of its own.

`python -m tests.rigs.docker_engine` brings it up with stand-ins for base images, prints the environment to
export, and stays until Ctrl-C. What it unpacks and builds is kept in `DEPLOY_RIG` (default
/var/tmp/zarr-fuse-deploy) for the next time; bridge and packet filter rules are taken back.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.rigs.by_hand import exports, run_by_hand
from tests.rigs.commands import run_command
from tests.rigs.debian import RigUnavailableError, require_packages, unpacked

FOLDER = Path(os.environ.get("DEPLOY_RIG", "/var/tmp/zarr-fuse-deploy"))
START_S, STOP_S = 60, 30
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("filter", "nat")
PACKAGES = {
    "bookworm": ("docker.io", "containerd"),
    "trixie": ("docker-compose",),
}  # version 2 came with trixie
FOREIGN_RULE = re.compile(
    r"-A (?:FORWARD|PREROUTING|OUTPUT|POSTROUTING) .*(?:DOCKER|docker0|br-[0-9a-f]{12})"
)


@dataclass
class DockerEngine:
    """A running engine; commands run with its client."""

    folder: Path
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _forwarding: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find this engine and its programs."""
        paths = [str(self.folder / "root" / place) for place in ("usr/sbin", "usr/bin")]
        return {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            "PATH": os.pathsep.join([*paths, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
            "DOCKER_HOST": f"unix://{self._run_folder}/docker.sock",
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(self.folder / "client"),
        }

    @property
    def _run_folder(self) -> Path:
        return self.folder / "run"

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self._run_folder.mkdir(parents=True, exist_ok=True)
        self._let_docker_find_compose()
        self._forwarding = FORWARDING.read_text()
        programs = self.folder / "root" / "usr"
        with (self._run_folder / "dockerd.log").open("wb") as log:
            self._daemon = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "TERM", str(programs / "sbin" / "dockerd")),
                    *(
                        "--data-root",
                        str(self.folder / "data"),
                        "--exec-root",
                        str(self._run_folder / "exec"),
                    ),
                    *("--pidfile", str(self._run_folder / "docker.pid")),
                    *("--host", self.environment["DOCKER_HOST"]),
                    *("--userland-proxy-path", str(programs / "sbin" / "docker-proxy")),
                    *("--init-path", str(programs / "bin" / "docker-init")),
                    *("--default-ulimit", "nofile=20000:20000"),
                ],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._await_answer()

    def _let_docker_find_compose(self) -> None:
        plugins = self.folder / "root" / "usr" / "libexec" / "docker" / "cli-plugins"
        (self.folder / "client").mkdir(exist_ok=True)
        configuration = {"cliPluginsExtraDirs": [str(plugins)]}
        (self.folder / "client" / "config.json").write_text(json.dumps(configuration))

    def run(self, *command: str | Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command against the engine; a failure shows the end of its output."""
        return run_command(command, self.environment | more, check=check)

    def docker(self, *arguments: str | Path, check: bool = True) -> str:
        """Standard output of a docker command."""
        return self.run("docker", *arguments, check=check).stdout.strip()

    def stop(self) -> None:
        """End the daemon and take back what it did to the network, unless another engine uses it."""
        if self._daemon is None:
            return
        self._daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._daemon.wait(STOP_S)
        if self._daemon.poll() is None:
            self._daemon.kill()
            self._daemon.wait()
        if other_engines():
            return  # the last one takes back what they share
        for table in TABLES:
            self._clean(table)
        self._tool("ip", "link", "del", "docker0")
        self._tool("iptables", "-P", "FORWARD", "ACCEPT")
        FORWARDING.write_text(self._forwarding)

    def _clean(self, table: str) -> None:
        rules = self._tool("iptables", "-t", table, "-S").splitlines()
        for rule in rules:
            if FOREIGN_RULE.match(rule):
                self._tool("iptables", "-t", table, "-D", *shlex.split(rule)[1:])
        chains = [rule.split()[1] for rule in rules if rule.startswith("-N DOCKER")]
        for action in ("-F", "-X"):
            for chain in chains:
                self._tool("iptables", "-t", table, action, chain)

    def _tool(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=False
        ).stdout

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_S
        while self.run("docker", "version", check=False).returncode:
            ended = self._daemon is None or self._daemon.poll() is not None
            if ended or time.monotonic() > deadline:
                log = (self._run_folder / "dockerd.log").read_text(errors="replace")[-1500:]
                raise RigUnavailableError(f"no-docker: the engine does not start here: {log}")
            time.sleep(0.2)


def other_engines() -> list[int]:
    """Processes of engines that share the bridge and the packet filter of this one."""
    network = Path("/proc/self/ns/net").readlink()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text() == "dockerd\n" and (process / "ns/net").readlink() == network:
                found.append(int(process.name))
    return found


@contextlib.contextmanager
def running_engine() -> Iterator[DockerEngine]:
    """An engine for the length of the block.

    Raises:
        RigUnavailableError: not-root, no-apt, install-failed, or no-docker where the kernel forbids it.
    """
    require_packages(("runc", "iptables", "iproute2"), ("runc", "iptables", "ip", "setpriv"))
    unpacked(FOLDER / "root", PACKAGES)
    engine = DockerEngine(FOLDER)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


def told(engine: DockerEngine) -> str:
    """What a client needs to know; the base images are there by then."""
    from tests.rigs.base_images import make_base_images

    make_base_images(engine)
    return exports(engine.environment, "DOCKER_HOST", "DOCKER_BUILDKIT", "DOCKER_CONFIG", "PATH")


def main() -> int:
    """Run one until Ctrl-C or SIGTERM."""
    return run_by_hand(running_engine, told)


if __name__ == "__main__":
    sys.exit(main())
