"""Base images under the names that Containerfiles and Compose use: pulled, or else made from Debian.

A stand-in is Debian trixie with the packages that make it what its name says; this machine's certificates are
in it, so that builds reach the package index the way this machine does.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.rigs.debian import RigUnavailableError, debian_mirror, require_packages
from tests.rigs.docker_engine import DockerEngine

BOOTSTRAP_S = 600
CERTIFICATES = Path("/usr/local/share/ca-certificates")
PYTHON = """
RUN printf '[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\n' > /etc/pip.conf \\
 && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED \\
 && ln -s /usr/bin/python3 /usr/local/bin/python && ln -s /usr/bin/python3 /usr/local/bin/python3
"""
POSTGRES = """
COPY postgres.sh /usr/local/bin/postgres.sh
RUN usermod --uid 999 postgres && groupmod --gid 999 postgres \\
 && install -d -o 999 -g 999 /var/lib/postgresql/data /var/run/postgresql \\
 && chmod 755 /usr/local/bin/postgres.sh
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/17/bin:$PATH
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["postgres.sh"]
"""
POSTGRES_START = """#!/bin/bash
set -euo pipefail
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  initdb --username="$POSTGRES_USER" --pwfile=<(echo "$POSTGRES_PASSWORD") --auth=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
"""


class StandIn(NamedTuple):
    """What is put on a bare Debian to stand in for an image."""

    packages: tuple[str, ...]
    instructions: str = ""


STAND_INS = {
    "debian:trixie-slim": StandIn(()),
    "python:3.13-slim": StandIn(("python3", "python3-venv", "python3-pip"), PYTHON),
    "postgres:17": StandIn(("postgresql-17",), POSTGRES),
}


def make_base_images(engine: DockerEngine) -> None:
    """Have every base image in the engine.

    Raises:
        RigUnavailableError: no-apt, install-failed or no-base-image.
    """
    for name, stand_in in STAND_INS.items():
        there = engine.run("docker", "image", "inspect", name, check=False).returncode == 0
        if not there and engine.run("docker", "pull", "--quiet", name, check=False).returncode:
            _make(engine, name, stand_in)


def _make(engine: DockerEngine, name: str, stand_in: StandIn) -> None:
    require_packages(("mmdebstrap",), ("mmdebstrap",))
    with tempfile.TemporaryDirectory(prefix="base-image-") as text:
        folder = Path(text)
        _bootstrap(folder / "base.tar", stand_in.packages)
        engine.docker("import", folder / "base.tar", "bare:latest")
        (folder / "base.tar").unlink()
        (folder / "certificates").mkdir()
        for certificate in CERTIFICATES.glob("*.crt"):
            shutil.copy(certificate, folder / "certificates")
        (folder / "postgres.sh").write_text(POSTGRES_START)
        (folder / "Dockerfile").write_text(
            "FROM bare:latest\n"
            "COPY certificates/ /usr/local/share/ca-certificates/\n"
            "RUN update-ca-certificates >/dev/null 2>&1\n"
            "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\n"
            f'{stand_in.instructions}CMD ["bash"]\n'
        )
        engine.run("docker", "build", "--quiet", "--tag", name, folder, DOCKER_BUILDKIT="0")
    engine.run("docker", "rmi", "--force", "bare:latest", check=False)


def _bootstrap(target: Path, packages: tuple[str, ...]) -> None:
    include = ",".join(("ca-certificates", "netbase", "tzdata", *packages))
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}"]
    command += ['--aptopt=APT::Install-Recommends "false"', "--dpkgopt=path-exclude=/usr/share/doc/*"]
    command += ["--dpkgopt=path-exclude=/usr/share/man/*", "trixie", str(target), debian_mirror() or ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOOTSTRAP_S, check=False)
    if done.returncode:
        raise RigUnavailableError(f"no-base-image: mmdebstrap: {done.stderr[-300:].strip()}")
