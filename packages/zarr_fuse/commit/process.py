"""Who holds a lock: host, boot and process, so that a dead holder on this machine is recognised at once."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache
from pathlib import Path
from typing import Any

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def holder() -> dict[str, Any]:
    """What a lock object says of its writer; `nonce` is unique to each acquisition."""
    return {
        **_machine(),
        "pid": os.getpid(),
        "started": _start_ticks(os.getpid()),
        "nonce": secrets.token_hex(8),
    }


def is_dead(other: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that is gone; False when that cannot be known."""
    machine = _machine()
    if machine["boot"] is None or any(other.get(key) != value for key, value in machine.items()):
        return False
    return bool(_start_ticks(int(other["pid"])) != other["started"])


@cache
def _machine() -> dict[str, str | None]:
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else None
    return {
        "host": socket.gethostname(),
        "boot": boot,
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()) if boot else None,
    }


def _start_ticks(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process (proc(5) stat, field 22); None when it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
