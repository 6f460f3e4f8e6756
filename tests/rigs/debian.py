"""What rigs need of a Debian machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

INSTALL_S = 600
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


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


def _apt_get(*arguments: str, configuration: Path | None = None, folder: Path | None = None) -> None:
    own = {"APT_CONFIG": str(configuration)} if configuration else {}
    done = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **own},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode:
        raise RigUnavailableError(f"install-failed: apt-get {arguments[0]}: {done.stderr[-300:].strip()}")


def private_apt(folder: Path, suite: str) -> Callable[..., None]:
    """An apt with a state of its own for one suite, on the mirror of this machine; call it with a command.

    Raises:
        RigUnavailableError: no-apt or install-failed.
    """
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    mirror = debian_mirror()
    if mirror is None or not keyring.exists():
        raise RigUnavailableError("no-apt: this system has no Debian mirror to take packages from")
    for place in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d", "var/log/apt"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for place in ("var/lib/apt/lists/partial", "var/lib/dpkg", "var/cache/apt/archives/partial"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "var/lib/dpkg/status").touch()
    (folder / "etc/apt/sources.list").write_text(f"deb [signed-by={keyring}] {mirror} {suite} main\n")
    options = (
        f'Dir "{folder}";\nDir::State::status "{folder}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
    )
    (folder / "apt.conf").write_text(options)

    def apt(*arguments: str, folder: Path = folder) -> None:
        _apt_get(*arguments, configuration=configuration, folder=folder)

    configuration = folder / "apt.conf"
    apt("update", "-qq")
    return apt


def unpacked(root: Path, packages: Mapping[str, Iterable[str]]) -> Path:
    """A folder into which packages, by suite, are unpacked once: nothing is installed, no daemon starts.

    Raises:
        RigUnavailableError: no-apt or install-failed.
    """
    if not (root / "complete").exists():
        found = root / "packages"
        found.mkdir(parents=True, exist_ok=True)
        for suite, names in packages.items():
            private_apt(root / f"apt-{suite}", suite)("download", *names, folder=found)
        for package in found.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
        (root / "complete").touch()
    return root


def debian_mirror() -> str | None:
    """Address of the Debian archive that this machine installs from."""
    files = [file for path in SOURCES for file in (sorted(path.glob("*")) if path.is_dir() else [path])]
    text = "\n".join(path.read_text(errors="replace") for path in files if path.is_file())
    found = re.search(r"^(?:URIs:|deb(?: +\[[^]]*\])?) +(\S+/debian)/?(?: |$)", text, flags=re.MULTILINE)
    return found[1] if found else None
