"""Counted and translated access to the objects of a store and of its sidecar."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from obstore import exceptions as ob
from obstore.store import LocalStore, MemoryStore

from zarr_fuse.errors import AccessDeniedError, StorageError
from zarr_fuse.storage.local_objects import LocalObjects
from zarr_fuse.storage.missing import is_missing
from zarr_fuse.storage.refusals import is_denied, refusal

T = TypeVar("T")
R = TypeVar("R")

MAX_IN_FLIGHT = 16
BULK_DELETE = 1000  # keys one DeleteObjects request takes


class Objects:
    """The only place of this package that talks to storage; every call is counted in `requests`.

    Args:
        store: an obstore store rooted at the folder that holds the dataset store and its sidecar.
        concurrency: upper bound of requests in flight.
    """

    def __init__(self, store: Any, concurrency: int = MAX_IN_FLIGHT) -> None:  # noqa: ANN401 - obstore's union of stores
        self._store = store
        self._local = LocalObjects(str(store.prefix or "/")) if isinstance(store, LocalStore) else None
        self._folder = Path(store.prefix or "/") if isinstance(store, LocalStore) else None
        self._concurrency = 1 if isinstance(store, LocalStore | MemoryStore) else concurrency
        self.is_remote = not isinstance(store, LocalStore | MemoryStore)
        self._lock = threading.Lock()
        self.requests = 0

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""
        return self._call(key, lambda: self._get(key))

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The bytes of several objects, in the order of `keys`."""
        return self._each(self.get, keys)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `[start, end)` of an object that exists."""
        return self._call(key, lambda: bytes(self._store.get_range(key, start=start, end=end)))

    def size(self, key: str) -> int | None:
        """Length of an object in bytes, or None where there is none."""
        return self._call(key, lambda: self._size(key))

    def put(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Write one object in a single request; `durable` waits for the disk on a local store."""
        local = self._local
        if local is not None:
            self._call(key, lambda: local.put_many([(key, data)], durable=durable))
        else:
            self._call(key, lambda: self._store.put(key, data, use_multipart=False))

    def put_many(self, items: Iterable[tuple[str, bytes]], *, durable: bool = False) -> None:
        """Write several objects, at most `concurrency` at once."""
        kept, local = list(items), self._local
        if local is not None and kept:
            self._call(kept[0][0], lambda: local.put_many(kept, durable=durable), len(kept))
        else:
            self._each(lambda item: self.put(item[0], item[1]), kept)

    def create(self, key: str, data: bytes, *, durable: bool = True) -> bool:
        """Write an object only if there is none; False if there is another one.

        An answer that got lost is settled by reading back, so `data` must be unique to the caller.
        """
        try:
            created = self._call(key, lambda: self._create(key, data, durable=durable))
        except (ob.AlreadyExistsError, ob.PreconditionError):
            created = False
        except StorageError:
            if self.get(key) != data:
                raise
            return True
        return created or self.get(key) == data

    def copy_many(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Copy objects inside the store, from the first key of each pair to the second."""
        local = self._local
        if local is not None and pairs:
            self._call(pairs[0][0], lambda: local.copy_many(pairs), len(pairs))
        else:
            self._each(self._copy, pairs)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects in bulk; a key without object is no error."""
        for start in range(0, len(keys), BULK_DELETE):
            batch = list(keys[start : start + BULK_DELETE])
            self._call(batch[0], partial(self._delete, batch))

    def remove_tree(self, prefix: str) -> None:
        """Delete everything below the folder `prefix`, on a local store the empty folders too."""
        self.delete(self.keys(prefix))
        if self._folder is not None and prefix:
            shutil.rmtree(self._folder / prefix, ignore_errors=True)

    def keys(self, prefix: str) -> list[str]:
        """All keys below the folder `prefix`, sorted."""
        return self._call(prefix, lambda: sorted(self._listing(prefix)))

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a folder, sorted."""
        found = self._call(prefix, lambda: self._store.list_with_delimiter(prefix or None))
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def _listing(self, prefix: str) -> Iterator[str]:
        for page in self._store.list(prefix or None):
            for meta in page:
                yield meta["path"]

    def _get(self, key: str) -> bytes | None:
        if self._local is not None:
            return self._local.get(key)
        try:
            return bytes(self._store.get(key).bytes())
        except FileNotFoundError as error:
            if is_missing(error):
                return None
            raise

    def _size(self, key: str) -> int | None:
        try:
            return int(self._store.head(key)["size"])
        except FileNotFoundError:  # an answer to HEAD has no body that could say who gave it
            data = self._get(key)
            return None if data is None else len(data)

    def _copy(self, pair: tuple[str, str]) -> None:
        self._call(pair[0], lambda: self._store.copy(pair[0], pair[1]))

    def _create(self, key: str, data: bytes, *, durable: bool) -> bool:
        if self._local is not None:
            return self._local.create(key, data, durable=durable)
        self._store.put(key, data, mode="create", use_multipart=False)
        return True

    def _delete(self, batch: list[str]) -> None:
        if self._local is not None:
            self._local.delete(batch)
        else:
            self._store.delete(batch)

    def _each(self, act: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if self._concurrency == 1 or len(items) < 2:
            return [act(item) for item in items]
        with ThreadPoolExecutor(min(self._concurrency, len(items))) as pool:
            return list(pool.map(act, items))

    def _call(self, key: str, act: Callable[[], T], requests: int = 1) -> T:
        with self._lock:
            self.requests += requests
        try:
            return act()
        except (ob.AlreadyExistsError, ob.PreconditionError):
            raise
        except (ob.BaseError, OSError) as error:
            if is_denied(error):
                raise AccessDeniedError(f"access to {key!r} is denied: {refusal(error)}") from error
            raise StorageError(f"storage failed at {key!r}: {refusal(error)}") from error
