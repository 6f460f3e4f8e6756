"""What rigs need of a Debian machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

INSTALL_S = 600


class RigUnavailableError(Exception):
    """This machine cannot run a rig; the message begins with one word that says why."""


def require_packages(packages: Iterable[str], commands: Iterable[str]) -> None:
    """Install Debian packages unless all commands are there already.

    Raises:
        RigUnavailableError: not-root, no-apt or install-failed.
    """
    if os.geteuid() != 0:
        raise RigUnavailableError("not-root: the rig installs and starts daemons as root")
    if all(shutil.which(name) for name in commands):
        return
    if not shutil.which("apt-get"):
        raise RigUnavailableError(f"no-apt: {', '.join(packages)} cannot be installed on this system")
    _apt_get("update", "-qq")
    _apt_get("install", "-y", "-qq", "--no-install-recommends", *packages)


def _apt_get(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode:
        raise RigUnavailableError(f"install-failed: apt-get {arguments[0]}: {done.stderr[-300:].strip()}")
