"""The floor: `python -m bench.ingress_floor JOB` does the same PUTs with a bare obstore client.

Two objects an upload, metadata and then payload, as many uploads at once as the load has connections. No
HTTP service, no authentication, no checks, no item ids.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

import obstore
from obstore.store import S3Store

from bench.ingress_load import Seen, rows

METADATA = b"x" * 900


@dataclass(frozen=True)
class FloorJob:
    """Where to write, for how long, and by how many at once."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    connections: int
    seconds: float
    size_bytes: int


async def run(job: FloorJob) -> Seen:
    """Write until the time is over."""
    store = S3Store(
        job.bucket,
        endpoint=job.endpoint,
        access_key_id=job.access_key,
        secret_access_key=job.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    seen, payload = Seen(), rows(job.size_bytes)
    started, cpu = time.perf_counter(), time.process_time()

    async def client(number: int) -> None:
        count = 0
        while time.perf_counter() - started < job.seconds:
            key, begun = f"floor/{number}-{count}-{time.time_ns():x}.csv", time.perf_counter()
            await obstore.put_async(store, f"{key}.meta.json", METADATA)
            await obstore.put_async(store, key, payload)
            seen.latencies_s.append(time.perf_counter() - begun)
            count += 1

    await asyncio.gather(*(client(number) for number in range(job.connections)))
    seen.elapsed_s = time.perf_counter() - started
    seen.cpu_s = time.process_time() - cpu
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(asyncio.run(run(FloorJob(**json.loads(sys.argv[1])))))))
