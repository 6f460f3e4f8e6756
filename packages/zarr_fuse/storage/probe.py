"""Finding out whether a storage can guard a lock: does exactly one of several racing creates win?"""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import obstore
from obstore import exceptions as ob
from obstore.store import LocalStore, MemoryStore, S3Store

from zarr_fuse.errors import AccessDeniedError, StorageError
from zarr_fuse.storage.refusals import is_denied, refusal

Store: TypeAlias = S3Store | LocalStore | MemoryStore

RACERS = 8
ROUNDS = 3


def probe_create_only(store: Store, prefix: str) -> bool:
    """Whether exactly one of several racing conditional creates of a key wins, in every round.

    Writes below `prefix` and removes what it wrote. Raises `AccessDeniedError` or `StorageError` when the
    storage does not take plain writes either, so that nothing can be said.
    """
    keys = [f"{prefix}/probe-{secrets.token_hex(8)}" for _ in range(ROUNDS)]
    try:
        with ThreadPoolExecutor(RACERS) as pool:
            return all(_one_winner(store, key, pool) for key in keys)
    finally:
        remove(store, keys)


def _one_winner(store: Store, key: str, pool: ThreadPoolExecutor) -> bool:
    bodies = [secrets.token_bytes(8) for _ in range(RACERS)]
    start = threading.Barrier(RACERS)
    won = list(pool.map(lambda body: _create(store, key, body, start), bodies))
    winners = [body for body, first in zip(bodies, won, strict=True) if first]
    stored = _stored(store, key)
    if stored is None:
        return False
    return winners == [stored] or (not winners and stored in bodies)


def _create(store: Store, key: str, body: bytes, start: threading.Barrier) -> bool:
    start.wait()
    try:
        obstore.put(store, key, body, mode="create", use_multipart=False)
    except (ob.BaseError, OSError, ValueError):
        return False
    return True


def _stored(store: Store, key: str) -> bytes | None:
    """What the winner wrote; None if the storage takes plain writes, but no conditional ones."""
    try:
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError:
        plain_put(store, key, secrets.token_bytes(8))
        return None
    except (ob.BaseError, OSError) as error:
        raise translated(error) from error


def plain_put(store: Store, key: str, body: bytes) -> None:
    """Write an object in one request, or raise what `probe_create_only` raises."""
    try:
        obstore.put(store, key, body, use_multipart=False)
    except (ob.BaseError, OSError) as error:
        raise translated(error) from error


def translated(error: BaseException) -> AccessDeniedError | StorageError:
    """An error of obstore in this package's tree."""
    if is_denied(error):
        return AccessDeniedError(f"the storage refuses the probe: {refusal(error)}")
    return StorageError(f"the storage cannot be probed: {refusal(error)}")


def remove(store: Store, keys: list[str]) -> None:
    """Delete what a probe has written, as far as the storage lets it."""
    for key in keys:
        try:
            obstore.delete(store, key)
        except (ob.BaseError, OSError):
            continue
