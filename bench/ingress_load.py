"""The clients: `python -m bench.ingress_load JOB` sends uploads over many connections and prints what it saw.

A process of its own on plain sockets: clients share the processors with the service, and what they take there
is missing to it.
"""

from __future__ import annotations

import base64
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

PIECE = b"2026-10-01T%02d:%02d:%02dZ,station-%02d,%d.5,%d\n"
HEADER = b"time,name,temperature,humidity\n"
BLOCK_BYTES = 1 << 20
RECEIVED_BYTES = 1 << 16


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

    def note(self, status: str, taken_s: float) -> None:
        """Count one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == "202":
            self.latencies_s.append(taken_s)


class Client:
    """One connection that sends one upload after the other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begun = 0.0
        self._answer = b""

    def send(self, pieces: Iterator[bytes]) -> None:
        """Send one upload."""
        self._begun = time.perf_counter()
        for piece in pieces:
            self.socket.sendall(piece)

    def receive(self, seen: Seen) -> bool:
        """Read what has come; True once the answer is whole. Raises ConnectionError at an early end."""
        received = self.socket.recv(RECEIVED_BYTES)
        if not received:
            raise ConnectionError(f"the service hung up after {self._answer!r}")
        self._answer += received
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return False
        seen.note(head[9:12].decode(), time.perf_counter() - self._begun)
        self._answer = b""
        return True


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


def upload(job: Job) -> Iterator[bytes]:
    """The pieces of one request."""
    block = rows(job.size_bytes)
    tail = block[len(HEADER) :]
    repeats = max(0, (job.size_bytes - len(block)) // len(tail)) if tail else 0
    token = base64.b64encode(f"{job.user}:{job.password}".encode()).decode()
    head = (
        f"POST /api/v1/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {len(block) + repeats * len(tail)}\r\n\r\n"
    )
    yield head.encode() + block
    for _ in range(repeats):
        yield tail


def run(job: Job) -> Seen:
    """Send everything; returns what was seen."""
    seen = Seen()
    clients = [Client(job.port) for _ in range(job.connections)]
    started = time.perf_counter()
    if job.seconds is None:
        with ThreadPoolExecutor(job.connections) as threads:
            list(threads.map(lambda client: _once(client, job, seen), clients))
    else:
        _repeatedly(clients, b"".join(upload(job)), started + job.seconds, seen)
    seen.elapsed_s = time.perf_counter() - started
    return seen


def _once(client: Client, job: Job, seen: Seen) -> None:
    client.send(upload(job))
    while not client.receive(seen):
        continue


def _repeatedly(clients: list[Client], request: bytes, until: float, seen: Seen) -> None:
    """Every client sends its next upload as soon as it has its answer."""
    with selectors.DefaultSelector() as waiting:
        for client in clients:
            waiting.register(client.socket, selectors.EVENT_READ, client)
            client.send(iter([request]))
        while waiting.get_map():
            for key, _ in waiting.select():
                client = key.data
                if not client.receive(seen):
                    continue
                if time.perf_counter() < until:
                    client.send(iter([request]))
                else:
                    waiting.unregister(client.socket)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(run(Job(**json.loads(sys.argv[1]))))))
