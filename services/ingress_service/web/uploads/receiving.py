"""Takes a body in: receives, unpacks, checks, digests and holds it, in one pass over its bytes."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import anyio
from starlette.requests import Request

from packages.common.content_types import PACKED
from packages.common.models.configuration_model import Endpoint
from packages.common.payloads.binary import stored_encoding
from services.ingress_service.web.limits import Lease
from services.ingress_service.web.uploads.bodies import Arrival, Bounds, arrive
from services.ingress_service.web.uploads.checks import CheckReport, PayloadCheck
from services.ingress_service.web.uploads.content import Declared, declared_by
from services.ingress_service.web.uploads.decoding import unwrapped
from services.ingress_service.web.uploads.holding import Holder
from services.ingress_service.web.uploads.inlets import Inlet

HOLD_STEP_BYTES = 1 << 20
"""Memory that is accounted for at a time, so that small bodies need no accounting."""
QUICK_BYTES, QUICK_FIELDS = 16 << 10, 500
QUICK_TYPES = frozenset({"text/csv", "application/json", "application/x-ndjson"})
"""Bodies checked without a thread: parsing one of these sizes takes less than a millisecond."""


@dataclass(frozen=True)
class Received:
    """A payload that has come whole and passed its checks; its bytes are in the holder."""

    content_type: str
    filename: str | None
    size_bytes: int
    sha256: str
    report: CheckReport
    content_encoding: str | None = None


@dataclass(frozen=True)
class Destination:
    """What a payload is checked against; on `trial` more of it is, because nothing else becomes of it."""

    inlet: Inlet[Endpoint]
    node_path: str
    trial: bool = False

    @property
    def tries_rows(self) -> bool:
        """Whether rows are converted whatever is known of their columns."""
        return self.trial or self.inlet.target.bad_rows_at_merge == "fail"

    def check(self, content_type: str) -> PayloadCheck:
        """The check of a payload of this type."""
        endpoint = self.inlet.target
        return PayloadCheck(
            content_type,
            self.inlet.dataset_schema(self.node_path),
            extracted=endpoint.is_extracted,
            on_bad_rows=endpoint.bad_rows_at_merge,
            trial=self.trial,
            proven=self.inlet.proven[self.node_path],
        )


async def receive(
    request: Request, lease: Lease, bounds: Bounds, destination: Destination, holder: Holder
) -> Received:
    """Receive, unpack and check the body of `request` into `holder`.

    A very small body is handled at once: another thread would cost as much as the work. Any other body of
    one block is handled by one of a few threads; a larger one has a thread of its own, which waits for the
    client and for the storage, and takes turns with the others where it computes.
    """
    declared = declared_by(request.headers)
    arrival = await arrive(request, lease, bounds.max_upload_bytes)
    if _is_quick(declared, arrival, destination):
        return Intake(declared, bounds, destination, holder, lease, nullcontext()).take(arrival)
    intake = Intake(declared, bounds, destination, holder, lease, lease.turns)
    limiter = lease.checks if arrival.complete else lease.streams
    return await anyio.to_thread.run_sync(partial(intake.take, arrival), limiter=limiter)


def _is_quick(declared: Declared, arrival: Arrival, destination: Destination) -> bool:
    """Whether all checks of a body take about a millisecond, whatever is in it."""
    return (
        arrival.complete
        and len(arrival.first) <= QUICK_BYTES
        and arrival.first.count(b",") <= QUICK_FIELDS
        and declared.encoding is None
        and declared.content_type in QUICK_TYPES
        and not destination.tries_rows
    )


@dataclass
class Intake:
    """One pass over the bytes of a body, in a worker thread."""

    declared: Declared
    bounds: Bounds
    destination: Destination
    holder: Holder
    lease: Lease
    turns: AbstractContextManager[object]

    def take(self, arrival: Arrival) -> Received:
        """Take a body in; raises everything that a body can be refused for."""
        limit = self.bounds.max_decompressed_bytes
        payload = unwrapped(arrival.blocks(), self.declared, limit, complete=arrival.complete)
        check = self.destination.check(payload.content_type)
        digest, packed = hashlib.sha256(), None
        for piece in payload.pieces:
            if not self.holder.size_bytes:
                packed = stored_encoding(payload.content_type, piece)
            digest.update(piece)
            with self.turns:
                check.feed(piece)
            self.holder.write(piece, payload.content_type + (PACKED if packed else ""))
            self._hold(check.held_bytes + self.holder.held_bytes)
        with self.turns:
            report = check.finish()
        facts = (payload.filename, self.holder.size_bytes, digest.hexdigest())
        return Received(payload.content_type, *facts, report, packed)

    def _hold(self, size_bytes: int) -> None:
        """Account for memory beyond the first block, which is accounted for already."""
        if size_bytes > self.lease.held_bytes + HOLD_STEP_BYTES:
            anyio.from_thread.run_sync(self.lease.hold, size_bytes)
