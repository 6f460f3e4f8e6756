"""Finding out what a storage can do that S3 promises: conditional creates, fresh listings, multipart."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import obstore
from obstore import exceptions as ob

from zarr_fuse.storage.probe import Store, plain_put, probe_create_only, remove, translated

PART_BYTES = 5 * 2**20
LISTED = 5
MULTIPART_BYTES = PART_BYTES + 1
"""The smallest object that S3 takes in two parts."""


@dataclass(frozen=True)
class Abilities:
    """What a storage can do."""

    create_only: bool
    list_after_write: bool
    multipart: bool

    @property
    def lacking(self) -> tuple[str, ...]:
        """One sentence for each thing it cannot do, with what follows from it."""
        sentences = (
            (self.create_only, "conditional creates are not safe here: two racing ones both succeed"),
            (self.list_after_write, "listings lag behind writes: what is stored may be seen late"),
            (self.multipart, "multipart uploads fail: large uploads will be refused"),
        )
        return tuple(sentence for able, sentence in sentences if not able)


def probe_abilities(store: Store, prefix: str) -> Abilities:
    """Try everything once, below `prefix`, and remove what was written: 6 MiB and about 60 requests.

    Raises `AccessDeniedError` or `StorageError` when the storage does not take plain writes either, so that
    nothing can be said.
    """
    return Abilities(
        create_only=probe_create_only(store, prefix),
        list_after_write=probe_listing(store, f"{prefix}/list-{secrets.token_hex(8)}"),
        multipart=probe_multipart(store, f"{prefix}/multipart-{secrets.token_hex(8)}"),
    )


def probe_listing(store: Store, folder: str) -> bool:
    """Whether a listing shows each object as soon as it is written, and none that is deleted."""
    keys = [f"{folder}/{number}" for number in range(LISTED)]
    try:
        for count, key in enumerate(keys, 1):
            plain_put(store, key, key.encode())
            if _listed(store, folder) != keys[:count]:
                return False
        obstore.delete(store, keys[0])
        return _listed(store, folder) == keys[1:]
    except (ob.BaseError, OSError) as error:
        raise translated(error) from error
    finally:
        remove(store, keys)


def _listed(store: Store, folder: str) -> list[str]:
    return sorted(meta["path"] for page in obstore.list(store, folder) for meta in page)


def probe_multipart(store: Store, key: str) -> bool:
    """Whether an object that comes in two parts is whole afterwards."""
    body = bytes(MULTIPART_BYTES)
    try:
        obstore.put(store, key, body, use_multipart=True, chunk_size=PART_BYTES)
        return obstore.head(store, key)["size"] == MULTIPART_BYTES
    except (ob.BaseError, OSError):
        plain_put(store, key, body)
        return False
    finally:
        remove(store, [key])
