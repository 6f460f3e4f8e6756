"""A binary payload on its way: it waits in a file of its own until it is complete, then it is inspected."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from packages.common.errors import PayloadTooLargeError, StorageUnavailableError
from packages.common.payloads.binary import (
    DEFAULT_BOUNDS,
    Bounds,
    Contents,
    inspect,
    read_dataset,
    refuse_other_beginning,
    require_support,
)

FREE_BYTES = 256 << 20
"""Room that stays free in the folder for temporary files."""
LOOK_EVERY_BYTES = 16 << 20


class BinaryPieces:
    """Holds a payload in a temporary file, which goes away with this object."""

    held_bytes = 0

    def __init__(self, content_type: str, bounds: Bounds = DEFAULT_BOUNDS, *, dataset_bytes: int = 0) -> None:
        """Arrays with values of up to `dataset_bytes` are handed over as a dataset."""
        require_support(content_type)
        self._dataset_bytes = dataset_bytes
        self._content_type, self._bounds = content_type, bounds
        self._size_bytes = self._next_look = 0
        self._beginning: bytes | None = b""
        try:
            number, name = tempfile.mkstemp(prefix="upload-")
        except OSError as error:
            raise StorageUnavailableError(f"no temporary file: {error.strerror}") from None
        self._path, self._file = Path(name), number
        self._remove = weakref.finalize(self, _remove, number, self._path)

    def feed(self, data: bytes) -> Iterator[Contents]:
        """Nothing yet; raises PayloadError, PayloadTooLargeError, StorageUnavailableError (disk full)."""
        self._look_at_beginning(data)
        self._size_bytes += len(data)
        if self._size_bytes > self._bounds.max_bytes:
            raise PayloadTooLargeError(f"The payload is larger than {self._bounds.max_bytes} bytes.")
        try:
            self._look_for_room()
            _write(self._file, data)
        except OSError as error:
            raise StorageUnavailableError(f"no room on the local disk: {error.strerror}") from None
        return iter(())

    def finish(self) -> Iterator[Contents]:
        """What the payload holds; raises PayloadError, EmptyPayloadError."""
        try:
            contents = inspect(self._path, self._content_type, self._bounds)
            if contents.dims and contents.size_bytes <= self._dataset_bytes:
                found = read_dataset(self._path, self._content_type, self._bounds)
                contents = replace(contents, dataset=found)
            yield contents
        finally:
            self._remove()

    def _look_at_beginning(self, data: bytes) -> None:
        """Refuse a file that is none before all of it has come."""
        if self._beginning is not None:
            self._beginning += data[:16]
            if len(self._beginning) >= 8:
                refuse_other_beginning(self._beginning, self._content_type)
                self._beginning = None

    def _look_for_room(self) -> None:
        if self._size_bytes >= self._next_look:
            self._next_look = self._size_bytes + LOOK_EVERY_BYTES
            if shutil.disk_usage(self._path.parent).free < FREE_BYTES:
                raise OSError(28, "the folder for temporary files is nearly full")


def _write(number: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]


def _remove(number: int, path: Path) -> None:
    os.close(number)
    with suppress(OSError):
        path.unlink()
