"""The exceptions of `packages.common`, grouped by what a handler would do about them.

    IngressError
    ├── ConfigurationError                     ValueError         .problems
    ├── NodePathError                          ValueError
    ├── PayloadError                           ValueError         .line, .column, .hint, .row, .name
    │   ├── EmptyPayloadError
    │   └── PayloadTooLargeError
    ├── UnsupportedTypeError                   ValueError
    ├── MetadataError                          ValueError
    ├── ItemNotFoundError                      LookupError
    ├── ItemBusyError                                                 retryable
    ├── NotificationError                      OSError
    └── StorageError                           OSError
        ├── ObjectMissingError                 + FileNotFoundError
        ├── StorageAccessError                 + PermissionError
        └── StorageUnavailableError                               retryable

`kind` is stable and only ever added; `retryable` says that the same call may succeed later by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class IngressError(Exception):
    """Base of every error that the queue, the configuration and the payload checks raise on purpose."""

    kind: ClassVar[str] = "ingress"
    retryable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The sentence to show."""
        return str(self.args[0]) if self.args else self.kind

    def __str__(self) -> str:
        return self.message


class ConfigurationError(IngressError, ValueError):
    """Settings or configuration are wrong; `problems` holds one sentence each, with file and line."""

    kind = "configuration"

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class NodePathError(IngressError, ValueError):
    """A node path, endpoint name or item id is not one that may become part of an object key."""

    kind = "node_path"


class PayloadError(IngressError, ValueError):
    """A payload is not what its type says; `hint` says what may help.

    `line` and `column` are a place in the text, from 1; `row` is a data row, from 0, `name` that of a column.
    """

    kind = "payload"

    def __init__(
        self,
        message: str,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
        *,
        row: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(message, line, column, hint)
        self.line = line
        self.column = column
        self.hint = hint
        self.row = row
        self.name = name

    def __str__(self) -> str:
        places = [("line", self.line), ("column", self.column)]
        where = ", ".join(f"{name} {number}" for name, number in places if number is not None)
        text = f"{self.message} ({where})" if where else self.message
        return f"{text}. {self.hint}" if self.hint else text


class EmptyPayloadError(PayloadError):
    """A payload holds no bytes, or a header and no rows."""

    kind = "payload_empty"


class PayloadTooLargeError(PayloadError):
    """A payload of a type that is read whole is larger than memory allows for one."""

    kind = "payload_too_large"


class UnsupportedTypeError(IngressError, ValueError):
    """A content type or content encoding that the product does not take."""

    kind = "unsupported_type"


class MetadataError(IngressError, ValueError):
    """The metadata object beside a payload cannot be read."""

    kind = "metadata"


class ItemNotFoundError(IngressError, LookupError):
    """The queue holds no such item."""

    kind = "item_missing"


class NotificationError(IngressError, OSError):
    """A mail or webhook could not be delivered."""

    kind = "notification"


class ItemBusyError(IngressError):
    """A sweep is moving the item, or was interrupted while it did; the next sweep ends that."""

    kind = "item_busy"
    retryable = True


class StorageError(IngressError, OSError):
    """The object storage refused a request for a reason that will not pass by itself."""

    kind = "storage"


class ObjectMissingError(StorageError, FileNotFoundError):
    """No object has this key."""

    kind = "object_missing"


class StorageAccessError(StorageError, PermissionError):
    """The credentials are wrong, or do not allow the request."""

    kind = "access_denied"


class StorageUnavailableError(StorageError):
    """The object storage did not answer in time, or answered 5xx."""

    kind = "storage_unavailable"
    retryable = True
