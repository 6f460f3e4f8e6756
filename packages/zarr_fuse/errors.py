"""The exceptions of `zarr_fuse`, grouped by what a handler would do about them.

    ZarrFuseError
    ├── OptionError (= ZFOptionError)          ValueError
    │   ├── MissingOptionError                 + KeyError
    │   └── UnsupportedUrlError
    ├── SchemaError                            ValueError
    │   ├── MissingKeyError                    + KeyError
    │   ├── UnknownKeyError
    │   └── UndefinedUnitError                 + AttributeError
    ├── SchemaConflictError                    ValueError         .differences
    ├── UpdateRefusedError                     ValueError         .problems, .report
    ├── AlreadyMergedError                     ValueError         .item_ids
    ├── NodeNotFoundError                      KeyError
    ├── StoreNotFoundError                     FileNotFoundError
    ├── SnapshotNotFoundError                  LookupError
    ├── ReadOnlyError, AccessDeniedError       PermissionError
    ├── TransactionError                       RuntimeError
    ├── UnsafeStoreError, CorruptStoreError    RuntimeError
    ├── StorageError                           OSError            retryable
    ├── LeaseHeldError                         TimeoutError       retryable
    ├── LeaseLostError                         RuntimeError       retryable
    └── CommitConflictError                    RuntimeError       retryable

`kind` is stable and only ever added; `retryable` says that the same call may succeed later by itself.
Messages name node, place and values, never a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from zarr_fuse.report import UpdateReport


class ZarrFuseError(Exception):
    """Base of every error this package raises on purpose."""

    kind: ClassVar[str] = "zarr_fuse"
    retryable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The sentence to show, without quotes around it even where a `KeyError` is inherited."""
        return str(self.args[0]) if self.args else self.kind

    def __str__(self) -> str:
        return self.message


class OptionError(ZarrFuseError, ValueError):
    """An option has a wrong name or value."""

    kind = "option"


ZFOptionError = OptionError


class MissingOptionError(OptionError, KeyError):
    """An option that the store cannot do without is absent."""

    kind = "option_missing"


class UnsupportedUrlError(OptionError):
    """`STORE_URL` has a scheme this package does not open, or credentials inside."""

    kind = "url_scheme"


class SchemaError(ZarrFuseError, ValueError):
    """A schema says something it may not; the message starts with the place."""

    kind = "schema"


class MissingKeyError(SchemaError, KeyError):
    """A required key of a schema is absent."""

    kind = "schema_key_missing"


class UnknownKeyError(SchemaError):
    """A key of a schema is not known at its place; the message names the nearest known one."""

    kind = "schema_key_unknown"


class UndefinedUnitError(SchemaError, AttributeError):
    """A unit is in neither the registry nor the table of ticks."""

    kind = "unit_unknown"


class SchemaWarning(UserWarning):
    """A schema uses an obsolete or doubtful form that is still understood."""


class SchemaConflictError(ZarrFuseError, ValueError):
    """A schema contradicts the one in the store; `differences` lists every contradiction."""

    kind = "schema_conflict"

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__(tuple(differences))
        self.differences = tuple(differences)

    @property
    def message(self) -> str:
        """All differences, one a line."""
        return _listing("the schema contradicts the stored one", self.differences)


class UpdateRefusedError(ZarrFuseError, ValueError):
    """A frame was refused and nothing of it stored; `problems` lists all causes, `report` the rows."""

    kind = "update_refused"

    def __init__(self, problems: Sequence[str], report: UpdateReport | None = None) -> None:
        super().__init__(tuple(problems), report)
        self.problems = tuple(problems)
        self.report = report

    @property
    def message(self) -> str:
        """All causes, one a line."""
        return _listing("the update is refused", self.problems)


class AlreadyMergedError(ZarrFuseError, ValueError):
    """Items of a transaction are in the ledger already; nothing was written."""

    kind = "duplicate"

    def __init__(self, item_ids: Iterable[str]) -> None:
        ordered = tuple(sorted(item_ids))
        super().__init__(ordered)
        self.item_ids = ordered

    @property
    def message(self) -> str:
        """The identifiers, in one sentence."""
        return f"already merged: {', '.join(self.item_ids)}"


class NodeNotFoundError(ZarrFuseError, KeyError):
    """Neither the store nor the schema has this node."""

    kind = "node_missing"


class StoreNotFoundError(ZarrFuseError, FileNotFoundError):
    """The store does not exist, and may not be created."""

    kind = "store_missing"


class SnapshotNotFoundError(ZarrFuseError, LookupError):
    """The history has no such snapshot."""

    kind = "snapshot_missing"


class ReadOnlyError(ZarrFuseError, PermissionError):
    """The store was opened for reading only."""

    kind = "read_only"


class AccessDeniedError(ZarrFuseError, PermissionError):
    """The storage refuses these credentials."""

    kind = "access_denied"


class TransactionError(ZarrFuseError, RuntimeError):
    """A transaction is used outside its life, or beside another open one."""

    kind = "transaction_state"


class UnsafeStoreError(ZarrFuseError, RuntimeError):
    """The storage lets two creators of one key both win, so writers cannot exclude each other."""

    kind = "unsafe_store"


class CorruptStoreError(ZarrFuseError, RuntimeError):
    """The arrays of a store contradict each other, or what is stored cannot be read."""

    kind = "corrupt_store"


class StorageError(ZarrFuseError, OSError):
    """The storage failed: 5xx, timeout or connection."""

    kind = "storage"
    retryable = True


class LeaseHeldError(ZarrFuseError, TimeoutError):
    """Another writer kept the lease for longer than this one may wait."""

    kind = "lease_held"
    retryable = True


class LeaseLostError(ZarrFuseError, RuntimeError):
    """Another writer took the lease over; nothing of this transaction is visible."""

    kind = "lease_lost"
    retryable = True


class CommitConflictError(ZarrFuseError, RuntimeError):
    """Other writers kept committing first; nothing of this transaction is visible."""

    kind = "commit_conflict"
    retryable = True


def _listing(title: str, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return f"{title}: {lines[0]}"
    return "\n- ".join([f"{title}, {len(lines)} causes:", *lines])
