"""What can be wrong with one item on its way from the queue into a store.

    IngressError (packages.common.errors)
    ├── ExtractorServiceError
    │   ├── ForeignPayloadError        nobody accepted it: its metadata is missing
    │   ├── PayloadDamagedError        its bytes are not those that were accepted
    │   ├── SchemaUnavailableError     the schema it names cannot be read
    │   └── NotTabularError            its type needs an extractor, and none is set
    ├── ExtractorError                 its extractor failed (packages.common.extractors.errors)
    ├── TreatmentError                 the configuration of its endpoint is wrong; it waits
    └── SweepTroubleError              storage kept a sweep from its work; the next one may get it done

Those of `ExtractorServiceError` are permanent: the item moves to `failed` with the message as its reason.
"""

from __future__ import annotations

from typing import ClassVar

from packages.common.errors import IngressError, PayloadError, StorageAccessError
from packages.common.models.metadata_model import ItemError
from zarr_fuse.errors import (
    AccessDeniedError,
    CorruptStoreError,
    UnsafeStoreError,
    UpdateRefusedError,
    ZarrFuseError,
)
from zarr_fuse.report import RejectedRow

NO_ITEM_AT_FAULT = (AccessDeniedError, CorruptStoreError, StorageAccessError, UnsafeStoreError)
"""What is wrong with credentials, bucket or store must not send a whole queue to `failed`."""
REASON_LIMIT = 4000  # characters of a reason that are stored with an item


class ExtractorServiceError(IngressError):
    """Base of the permanent failures of one item."""

    kind: ClassVar[str] = "extractor_service"
    retryable: ClassVar[bool] = False


class ForeignPayloadError(ExtractorServiceError):
    """A payload lies in the queue without the metadata that every accepted item has."""

    kind = "foreign"


class PayloadDamagedError(ExtractorServiceError):
    """The payload's checksum is not the one recorded when it was accepted."""

    kind = "payload_damaged"


class SchemaUnavailableError(ExtractorServiceError):
    """The schema an item names is absent or cannot be read."""

    kind = "schema_unavailable"


class NotTabularError(ExtractorServiceError):
    """A payload that is no table by itself has no extractor to make one."""

    kind = "not_tabular"


class TreatmentError(IngressError):
    """What the configuration says about an endpoint is wrong; its items wait until it is mended."""

    kind = "configuration"
    retryable = True


class SweepTroubleError(IngressError):
    """Storage kept a sweep from settling some items; they stay accepted."""

    kind = "sweep_trouble"
    retryable = True


def is_transient(error: BaseException) -> bool:
    """Whether the item may be merged as it is: later by itself, or once an operator mended the storage."""
    if isinstance(error, NO_ITEM_AT_FAULT):
        return True
    return bool(getattr(error, "retryable", isinstance(error, OSError | MemoryError)))


def is_deliberate(error: BaseException) -> bool:
    """Whether the product raised this on purpose, so that the message tells it all without a traceback."""
    return isinstance(error, IngressError | ZarrFuseError)


def item_error(error: BaseException) -> ItemError:
    """The reason that is stored with an item, with the first place at fault if the error names one."""
    kind = getattr(error, "kind", None)
    text = _tame(str(error) if kind else f"{type(error).__name__}: {error}")
    row, column, value = _first_place(error)
    return ItemError(
        kind=kind or "unexpected",
        message=text if len(text) <= REASON_LIMIT else f"{text[:REASON_LIMIT]}…",
        row=row,
        column=column,
        value=value,
    )


def _tame(text: str) -> str:
    """The text without what a terminal would obey: reasons may quote whatever was sent."""
    if text.isprintable():
        return text
    shown = (one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)
    return "".join(shown)


def _first_place(error: BaseException) -> tuple[int | None, str | None, str | None]:
    if isinstance(error, PayloadError):
        return error.row, error.name, None
    first = _first_finding(error)
    return (first.row, first.column, first.value) if first else (None, None, None)


def _first_finding(error: BaseException) -> RejectedRow | None:
    report = error.report if isinstance(error, UpdateRefusedError) else None
    harmful = (finding for finding in report.rejected if finding.kind != "column_missing") if report else ()
    return next(iter(harmful), None)
