"""What a sweep and the process of an extractor say to each other, and how it goes over a pipe."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import Any

from packages.common.extractors.frames import Form

LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Named:
    """Something that is asked of one function."""

    module: str
    function: str

    @property
    def name(self) -> str:
        """The function as messages name it."""
        return f"{self.module}.{self.function}"


@dataclass(frozen=True)
class Call(Named):
    """One payload for one function; `metadata` is the item's as plain JSON values."""

    payload: bytes
    metadata: dict[str, Any]
    memory_bytes: int


@dataclass(frozen=True)
class Look(Named):
    """Asks whether a function is there, without a call; it is answered by `Ready`, or by `Raised`."""

    memory_bytes: int
    timeout_s: float


@dataclass(frozen=True)
class Returned:
    """The function returned a table."""

    form: Form
    data: bytes


@dataclass(frozen=True)
class Raised:
    """The call failed; `kind` is that of the error, `details` a traceback for the log."""

    kind: str
    message: str
    details: str | None = None


@dataclass(frozen=True)
class Ready:
    """Everything that was asked for is imported."""


Message = Call | Look | Returned | Raised | Ready


def packed(message: Message) -> bytes:
    """A message with its length before it."""
    data = pickle.dumps(message, protocol=5)
    return LENGTH.pack(len(data)) + data


def unpacked(data: bytes | bytearray | memoryview) -> Any:  # noqa: ANN401 - one of the messages
    """The message in `data`, without its length."""
    return pickle.loads(data)  # noqa: S301 - both ends are this program; a result inside is read guardedly
