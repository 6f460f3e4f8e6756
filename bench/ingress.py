"""How fast uploads are taken next to a bare client doing the same PUTs, and how much memory large ones need.

Storage, service, clients and floor are processes of their own on loopback. Service and floor take turns in
short rounds; rates and latencies are those of the median round by ratio, so that a burst of foreign load
weighs little.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ingress_floor import FloorJob
from bench.ingress_load import Job, Seen
from bench.ingress_site import Site, Storage, floor, service, stub

CONNECTIONS = 32
SMALL_BYTES = 2000
ROUNDS, ROUND_S = 3, 4.0
WARM_S = 2.0
MIB = 1 << 20
RATE_TARGETS = {"stub": 0.3, "rgw": 0.8}
P99_TARGET = 4.0
MEMORY_TARGET = 256 * MIB
LARGE = {"one of 1 GiB": (1, 1024 * MIB), "sixteen of 64 MiB at once": (16, 64 * MIB)}
CASES = ("ingress-stub", "ingress-rgw", "ingress-memory")


@dataclass(frozen=True)
class Rate:
    """Small uploads in one round: the service and the floor after it."""

    service: Seen
    floor: Seen

    @property
    def rate(self) -> float:
        """Share of the floor's rate."""
        return per_second(self.service) / per_second(self.floor)

    @property
    def p99(self) -> float:
        """Times the floor's 99th percentile."""
        return p99_s(self.service) / p99_s(self.floor)


@dataclass(frozen=True)
class Growth:
    """Resident memory before large uploads and at its highest while they go through."""

    name: str
    before_bytes: int
    peak_bytes: int
    seconds: float
    statuses: dict[str, int]

    @property
    def bytes(self) -> int:
        """By how much it grew."""
        return self.peak_bytes - self.before_bytes


def per_second(seen: Seen) -> float:
    """Uploads a second."""
    return len(seen.latencies_s) / seen.elapsed_s


def cpu_ms(seen: Seen) -> float:
    """Processor time of one upload, in milliseconds, which other people's work hardly changes."""
    return seen.cpu_s / len(seen.latencies_s) * 1e3


def p99_s(seen: Seen) -> float:
    """The latency that one upload of a hundred exceeds."""
    return statistics.quantiles(seen.latencies_s, n=100)[98]


def small(storage: Storage, folder: Path, say: Callable[[str], None], *, quick: bool) -> list[Rate]:
    """Rounds of small uploads."""
    seconds, rounds = (1.5, 1) if quick else (ROUND_S, ROUNDS)
    found = []
    with service(folder, storage) as site:
        site.clients(_job(site, WARM_S))
        for number in range(rounds):
            say(f"small uploads, round {number + 1} of {rounds}")
            found.append(Rate(site.clients(_job(site, seconds)), floor(_floor_job(storage, seconds))))
    return found


def large(storage: Storage, folder: Path, say: Callable[[str], None], *, quick: bool) -> Iterator[Growth]:
    """Memory while large uploads go through; `quick` sends an eighth of the bytes."""
    for name, (count, size_bytes) in LARGE.items():
        say(f"large uploads: {name}")
        with service(folder / name.replace(" ", "-"), storage) as site:
            site.clients(_job(site, 1.0))
            before = site.rss_bytes()
            with site.watched() as samples:
                seen = site.clients(Job(site.port, count, None, size_bytes // (8 if quick else 1)))
            yield Growth(name, before, max(samples), seen.elapsed_s, seen.statuses)


@contextmanager
def gateway() -> Iterator[Storage]:
    """A real Ceph RGW with a bucket."""
    from tests.rigs.ceph_rgw import ACCESS_KEY, SECRET_KEY, running_gateway
    from tests.rigs.s3 import new_bucket

    with running_gateway() as rig:
        yield Storage(rig.endpoint, new_bucket(rig.endpoint, "rgw").name, ACCESS_KEY, SECRET_KEY)


@dataclass(frozen=True)
class Report:
    """Everything that was measured."""

    rates: dict[str, list[Rate]]
    growths: list[Growth]


def measure(names: list[str], folder: Path, say: Callable[[str], None], *, quick: bool) -> Report:
    """Measure the cases named."""
    rates, growths = {}, list[Growth]()
    with ExitStack() as stack:
        storage = stack.enter_context(stub())
        if "ingress-stub" in names:
            rates["stub"] = small(storage, folder / "stub", say, quick=quick)
        if "ingress-memory" in names:
            growths += large(storage, folder / "memory", say, quick=quick)
        if "ingress-rgw" in names:
            say("starting Ceph")
            ceph = stack.enter_context(gateway())
            rates["rgw"] = small(ceph, folder / "rgw", say, quick=quick)
    return Report(rates, growths)


def median_round(rounds: list[Rate]) -> Rate:
    """The round in the middle by its share of the floor's rate."""
    return sorted(rounds, key=lambda one: one.rate)[len(rounds) // 2]


def _job(site: Site, seconds: float) -> Job:
    return Job(site.port, CONNECTIONS, seconds, SMALL_BYTES)


def _floor_job(storage: Storage, seconds: float) -> FloorJob:
    keys = (storage.access_key, storage.secret_key)
    return FloorJob(storage.endpoint, storage.bucket, *keys, CONNECTIONS, seconds, SMALL_BYTES)
