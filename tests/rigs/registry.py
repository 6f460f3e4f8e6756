"""A registry of images on loopback, from Debian's package."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.debian import RigUnavailableError
from tests.rigs.ports import free_port

START_S = 30
CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""


@contextmanager
def running_registry(program: Path, folder: Path) -> Iterator[str]:
    """The address of a registry that keeps its images in a folder.

    Raises:
        RigUnavailableError: no-registry where it does not start.
    """
    address = f"127.0.0.1:{free_port()}"
    (folder / "registry.yaml").write_text(CONFIGURATION.format(folder=folder / "images", address=address))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", folder / "registry.yaml"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _await(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(START_S)


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RigUnavailableError(f"no-registry: {error}") from None
            time.sleep(0.1)
        else:
            return
