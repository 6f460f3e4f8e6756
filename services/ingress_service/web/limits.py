"""How much the service holds in flight, and how long it waits for a client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from services.ingress_service.errors import OverloadedError

MAX_UPLOADS = 64
PARALLEL_CHECKS = 4
MIN_BYTES_IN_FLIGHT = 256 * 1024 * 1024
CHUNK_TIMEOUT_S = 30.0
MIN_STORAGE_BYTES_PER_S = 1 << 20


class Lease:
    """Bytes that one upload holds in memory."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.checks = gate.checks
        self._held = 0

    def take(self, size_bytes: int) -> None:
        """Hold `size_bytes` more; raises OverloadedError where the service would hold too many."""
        self._gate.reserve(size_bytes, alone=self._held == self._gate.bytes_held)
        self._held += size_bytes

    def release(self) -> None:
        """Give everything back."""
        self._gate.bytes_held -= self._held
        self._held = 0


class Gate:
    """Counts uploads and bytes in flight; used from the event loop only, so it needs no lock.

    `checks` bounds the threads that decode and check, so that those of everybody else stay free.
    """

    def __init__(self, max_upload_bytes: int, max_uploads: int = MAX_UPLOADS) -> None:
        self.max_uploads = max_uploads
        self.max_bytes = max(MIN_BYTES_IN_FLIGHT, 2 * max_upload_bytes)
        self.uploads = 0
        self.bytes_held = 0
        self.checks = anyio.CapacityLimiter(PARALLEL_CHECKS)

    @contextmanager
    def upload(self) -> Iterator[Lease]:
        """Room for one upload; raises OverloadedError at once instead of queueing."""
        if self.uploads >= self.max_uploads:
            raise OverloadedError(f"{self.uploads} uploads are in flight; try again later")
        self.uploads += 1
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.release()
            self.uploads -= 1

    def reserve(self, size_bytes: int, *, alone: bool) -> None:
        """Count bytes in; an upload that is alone is bounded by the size of a body only."""
        if not alone and self.bytes_held + size_bytes > self.max_bytes:
            raise OverloadedError("The uploads in flight fill the memory set aside for them; try again later")
        self.bytes_held += size_bytes
