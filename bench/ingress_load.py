"""The clients: `python -m bench.ingress_load JOB` sends uploads over many connections and prints what it saw.

A process of its own, and no HTTP library: what the clients cost must not be counted against the service.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from dataclasses import asdict, dataclass, field

PIECE = b"2026-10-01T%02d:%02d:%02dZ,station-%02d,%d.5,%d\n"
HEADER = b"time,name,temperature,humidity\n"
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Job:
    """What to send; `seconds` repeats small uploads, None sends one of `size_bytes` per connection."""

    port: int
    connections: int
    seconds: float | None
    size_bytes: int
    user: str = "bench"
    password: str = "bench"


@dataclass
class Seen:
    """Latencies of the accepted uploads, statuses of all; `cpu_s` is processor time of the measured side."""

    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)


def rows(size_bytes: int) -> bytes:
    """CSV of about this size, at most a MiB; more is the same rows again."""
    made = bytearray(HEADER)
    number = 0
    while len(made) < min(size_bytes, BLOCK_BYTES):
        day_s = number % 86_400
        clock = (day_s // 3600, day_s // 60 % 60, day_s % 60)
        made += PIECE % (*clock, number % 50, number % 30, number % 100)
        number += 1
    return bytes(made)


async def run(job: Job) -> Seen:
    """Send everything; returns what was seen."""
    seen = Seen()
    block = rows(job.size_bytes)
    started = time.perf_counter()
    await asyncio.gather(*(_client(job, block, started, seen) for _ in range(job.connections)))
    seen.elapsed_s = time.perf_counter() - started
    return seen


async def _client(job: Job, block: bytes, started: float, seen: Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", job.port)
    while True:
        begun = time.perf_counter()
        await _send(writer, job, block)
        status = await _status(reader)
        taken = time.perf_counter() - begun
        seen.statuses[status] = seen.statuses.get(status, 0) + 1
        if status == "202":
            seen.latencies_s.append(taken)
        if job.seconds is None or time.perf_counter() - started > job.seconds:
            break
    writer.close()


async def _send(writer: asyncio.StreamWriter, job: Job, block: bytes) -> None:
    tail = block[len(HEADER) :]
    repeats = max(0, (job.size_bytes - len(block)) // len(tail)) if tail else 0
    length = len(block) + repeats * len(tail)
    token = base64.b64encode(f"{job.user}:{job.password}".encode()).decode()
    head = (
        f"POST /api/v1/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode() + block)
    for _ in range(repeats):
        writer.write(tail)
        await writer.drain()


async def _status(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return head[9:12].decode()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(run(Job(**json.loads(sys.argv[1])))))))
