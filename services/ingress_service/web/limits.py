"""How much the service holds in flight, and how long it waits for a client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from services.ingress_service.errors import OverloadedError, TooManyUploadsError

MAX_UPLOADS = 64
USER_SHARE = 0.75
"""The part of all places that one user may take, so that others find one."""
PARALLEL_CHECKS = 4
MAX_BYTES_IN_FLIGHT = 256 * 1024 * 1024
CHUNK_TIMEOUT_S = 30.0
MIN_STORAGE_BYTES_PER_S = 1 << 20


class Lease:
    """Bytes that one upload holds in memory."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.checks = gate.checks
        self.streams = gate.streams
        self.turns = gate.turns
        self._held = 0

    def take(self, size_bytes: int) -> None:
        """Hold `size_bytes` more; raises OverloadedError where the service would hold too many."""
        self._gate.reserve(size_bytes, alone=self._held == self._gate.bytes_held)
        self._held += size_bytes

    def hold(self, size_bytes: int) -> None:
        """Hold at least `size_bytes` in all; raises OverloadedError."""
        if size_bytes > self._held:
            self.take(size_bytes - self._held)

    @property
    def held_bytes(self) -> int:
        """What is held by now."""
        return self._held

    def release(self) -> None:
        """Give everything back."""
        self._gate.bytes_held -= self._held
        self._held = 0


class Gate:
    """Counts uploads and bytes in flight; used from the event loop only, so it needs no lock.

    `checks` bounds the threads that take a small body whole, `turns` those of large ones that read what has
    come, so that no number of uploads takes the processors from everybody else.
    """

    def __init__(self, max_uploads: int = MAX_UPLOADS, max_bytes: int = MAX_BYTES_IN_FLIGHT) -> None:
        self.max_uploads = max_uploads
        self.max_bytes = max_bytes
        self.uploads = 0
        self.bytes_held = 0
        self.checks = anyio.CapacityLimiter(PARALLEL_CHECKS)
        self.streams = anyio.CapacityLimiter(max_uploads)
        self.turns = threading.BoundedSemaphore(PARALLEL_CHECKS)
        self._of_user: Counter[str] = Counter()

    @contextmanager
    def upload(self, user: str | None = None) -> Iterator[Lease]:
        """Room for one upload, at once or never; None is nobody in particular, who has no share.

        Raises OverloadedError where all places are taken, TooManyUploadsError where this user has his share.
        """
        self._admit(user)
        self.uploads += 1
        if user is not None:
            self._of_user[user] += 1
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.release()
            self.uploads -= 1
            self._leave(user)

    def _leave(self, user: str | None) -> None:
        if user is not None:
            self._of_user[user] -= 1
            if not self._of_user[user]:
                del self._of_user[user]

    def _admit(self, user: str | None) -> None:
        if self.uploads >= self.max_uploads:
            raise OverloadedError(f"{self.uploads} uploads are in flight; try again later")
        if user is not None and self._of_user[user] >= max(1, int(USER_SHARE * self.max_uploads)):
            raise TooManyUploadsError(f"{self._of_user[user]} of your uploads are in flight; try again later")

    def reserve(self, size_bytes: int, *, alone: bool) -> None:
        """Count bytes in; an upload that is alone is bounded by the size of a body only."""
        if not alone and self.bytes_held + size_bytes > self.max_bytes:
            raise OverloadedError("The uploads in flight fill the memory set aside for them; try again later")
        self.bytes_held += size_bytes
