"""What the object storage says: descriptions of objects, and its errors in this package's own tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from obstore import exceptions as ob

from packages.common.errors import (
    ObjectMissingError,
    StorageAccessError,
    StorageError,
    StorageUnavailableError,
)
from zarr_fuse.errors import AccessDeniedError, ZarrFuseError
from zarr_fuse.storage.missing import is_missing
from zarr_fuse.storage.refusals import is_denied, refusal

if TYPE_CHECKING:
    from obstore import ObjectMeta

REFUSED = (ob.InvalidPathError, ob.NotSupportedError, ob.UnknownConfigurationKeyError, ValueError)


class ObjectInfo(NamedTuple):
    """One object: its key below the root of the storage, size, and time of writing (UTC)."""

    key: str
    size_bytes: int
    modified_at: datetime


def object_info(meta: ObjectMeta) -> ObjectInfo:
    """The description obstore gives, as an `ObjectInfo`."""
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"])


def longest_key(text: str) -> str | None:
    """The longest beginning of `text` that may be a key; a listing after it misses nothing behind `text`."""
    segments: list[str] = []
    for segment in text.split("/"):
        if segment in {"", ".", ".."}:
            break
        segments.append(segment)
    return "/".join(segments) or None


@contextmanager
def translated(action: str, key: str) -> Iterator[None]:
    """Turn what obstore raises inside into a `StorageError` that names action and key."""
    try:
        yield
    except (ob.AlreadyExistsError, ob.PreconditionError, StorageError):
        raise
    except (ob.BaseError, OSError, ValueError) as error:
        raise _storage_error(error, f"{action} {key}") from error


def _storage_error(error: Exception, what: str) -> StorageError:
    text = refusal(error)
    if "NoSuchBucket" in str(error):
        return StorageError(f"{what}: {text}")
    if isinstance(error, FileNotFoundError) and (is_missing(error) or what.startswith("head ")):
        return ObjectMissingError(f"{what}: there is no such object")
    if is_denied(error) or "(os error 13)" in text:
        return StorageAccessError(f"{what}: access denied: {text}")
    if isinstance(error, REFUSED):
        return StorageError(f"{what}: {text}")
    return StorageUnavailableError(f"{what}: {text}")


@contextmanager
def translated_probe() -> Iterator[None]:
    """Turn what a probe of `zarr_fuse` raises inside into a `StorageError`."""
    try:
        yield
    except AccessDeniedError as error:
        raise StorageAccessError(str(error)) from error
    except ZarrFuseError as error:
        raise StorageUnavailableError(str(error)) from error
