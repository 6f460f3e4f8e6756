"""The object storage with every call timed and traced."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from packages.common.errors import ObjectMissingError, StorageError
from packages.common.object_writer import ObjectWriter
from packages.common.objects import ObjectInfo
from packages.common.s3io import ObjectStorage, Payload
from packages.common.settings import Settings
from services.ingress_service.web.signals.metrics import Metrics
from services.ingress_service.web.signals.tracing import Tracing

_inside: ContextVar[bool] = ContextVar("inside_storage", default=False)
"""Set while a call is observed: calls that it makes itself are part of it."""


class Observer:
    """Times calls, and lets them appear in traces."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self.metrics: Metrics | None = None

    @contextmanager
    def call(self, operation: str) -> Iterator[None]:
        """Around one call; its outcome is `ok`, or the kind of its error."""
        if _inside.get():
            yield
            return
        token, began, outcome = _inside.set(True), time.perf_counter(), "interrupted"
        with self.tracing.storage(operation) as span:
            try:
                yield
                outcome = "ok"
            except StorageError as error:
                outcome = error.kind
                if not isinstance(error, ObjectMissingError):
                    span.fail(outcome)
                raise
            finally:
                _inside.reset(token)
                if self.metrics is not None:
                    self.metrics.storage(operation, outcome, time.perf_counter() - began)


class ObservedStorage(ObjectStorage):
    """An `ObjectStorage` whose reads, writes and removals are observed; listings count by their caller."""

    def __init__(self, url: str, settings: Settings, observer: Observer) -> None:
        super().__init__(url, settings)
        self._observer = observer

    def get(self, key: str) -> bytes:
        """See `ObjectStorage`."""
        with self._observer.call("get"):
            return super().get(key)

    async def get_async(self, key: str) -> bytes:
        """See `ObjectStorage`."""
        with self._observer.call("get"):
            return await super().get_async(key)

    def put(self, key: str, data: Payload) -> None:
        """See `ObjectStorage`."""
        with self._observer.call("put"):
            super().put(key, data)

    async def put_async(self, key: str, data: Payload) -> None:
        """See `ObjectStorage`."""
        with self._observer.call("put"):
            await super().put_async(key, data)

    def writer(self, key: str) -> ObjectWriter:
        """See `ObjectStorage`; its commit is observed."""
        return ObservedWriter(super().writer(key), self._observer)

    def create(self, key: str, data: Payload) -> bool:
        """See `ObjectStorage`."""
        with self._observer.call("create"):
            return super().create(key, data)

    async def create_async(self, key: str, data: Payload) -> bool:
        """See `ObjectStorage`."""
        with self._observer.call("create"):
            return await super().create_async(key, data)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStorage`."""
        with self._observer.call("head"):
            return super().head(key)

    async def head_async(self, key: str) -> ObjectInfo | None:
        """See `ObjectStorage`."""
        with self._observer.call("head"):
            return await super().head_async(key)

    def copy(self, source: str, target: str, size_bytes: int | None = None) -> None:
        """See `ObjectStorage`."""
        with self._observer.call("copy"):
            super().copy(source, target, size_bytes)

    def delete(self, keys: Sequence[str]) -> None:
        """See `ObjectStorage`."""
        with self._observer.call("delete"):
            super().delete(keys)


class ObservedWriter:
    """An `ObjectWriter` whose commit is observed."""

    def __init__(self, writer: ObjectWriter, observer: Observer) -> None:
        self._writer = writer
        self._observer = observer
        self.held_bytes = writer.held_bytes

    def write(self, data: bytes) -> None:
        """See `ObjectWriter`."""
        self._writer.write(data)

    def commit(self) -> None:
        """See `ObjectWriter`."""
        with self._observer.call("commit"):
            self._writer.commit()

    def abort(self) -> None:
        """See `ObjectWriter`."""
        self._writer.abort()
