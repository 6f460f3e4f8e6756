"""Every read and write of the queue's objects, the same on S3, on local folders and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import obstore
from obstore import exceptions as ob
from obstore.store import S3Store

from packages.common.errors import ConfigurationError, ObjectMissingError
from packages.common.local_files import local_files
from packages.common.object_writer import ObjectWriter, RemoteWriter
from packages.common.objects import ObjectInfo, longest_key, object_info, translated, translated_probe
from packages.common.settings import Settings
from zarr_fuse.errors import OptionError
from zarr_fuse.storage.abilities import Abilities, probe_abilities
from zarr_fuse.storage.opening import Store, open_object_store, probe_create_only

Payload: TypeAlias = bytes | Path
"""What is written: bytes, or a file to read them from."""

PART_BYTES = 5 * 2**20
PARTS_IN_FLIGHT = 3
"""Large objects go up in the smallest parts S3 takes, each done within the time of a request."""
LARGE_REQUEST_S = 300.0
"""A conditional write and a copy have no parts: where they concern more than one part they have this long."""
SERVER_COPY_BYTES = 5 * 2**30
"""Above this size S3 copies no object in one request."""
BULK_DELETE_KEYS = 1000
STREAM_BYTES = 2**20
FILES_A_THREAD = 16  # reading a small file takes no longer than handing it to a thread


class ObjectStorage:
    """The objects below one address, by key; safe to share between threads.

    Every method raises a `StorageError`: `StorageUnavailableError` (retryable) after at most
    `S3_TIMEOUT_S` for a small object, `StorageAccessError` where access is denied. `bundle` is how many small
    objects a thread should take at a time, `deletes_in_bulk` whether one request deletes many.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self._settings = settings
        self._store = _open(url, settings, settings.s3_timeout_s / 2)
        self._files = local_files(self._store)
        self.bundle = FILES_A_THREAD if self._files else 1
        self.deletes_in_bulk = self._files is None

    def get(self, key: str) -> bytes:
        """The object's bytes, or `ObjectMissingError`."""
        with translated("get", key):
            return self._files.get(key) if self._files else bytes(obstore.get(self._store, key).bytes())

    async def get_async(self, key: str) -> bytes:
        """The object's bytes, or `ObjectMissingError`."""
        with translated("get", key):
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())

    async def stream_async(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes in pieces of about 1 MiB, or `ObjectMissingError`."""
        with translated("get", key):
            found = await obstore.get_async(self._store, key)
            async for piece in found.stream(min_chunk_size=STREAM_BYTES):
                yield bytes(piece)

    def put(self, key: str, data: Payload) -> None:
        """Write an object, whole or not at all; when this returns it is durable."""
        with translated("put", key):
            if self._files is not None:
                self._files.put(key, data)
            else:
                obstore.put(self._store, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT)

    async def put_async(self, key: str, data: Payload) -> None:
        """Write an object, whole or not at all; when this returns it is durable."""
        if self._files is not None:
            await asyncio.to_thread(self.put, key, data)
            return
        with translated("put", key):
            await obstore.put_async(
                self._store, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT
            )

    def writer(self, key: str) -> ObjectWriter:
        """An object to be written piece by piece; see `ObjectWriter`."""
        if self._files is not None:
            with translated("write", key):
                return self._files.writer(key)
        return RemoteWriter(self._store, key, PART_BYTES)

    def create(self, key: str, data: Payload) -> bool:
        """Write an object only if there is none; False if there is one. Always one single request."""
        try:
            with translated("create", key):
                if self._files is not None:
                    return self._files.create(key, data)
                obstore.put(self._store_for(_size_of(data)), key, data, mode="create", use_multipart=False)
        except (ob.AlreadyExistsError, ob.PreconditionError):
            return False
        return True

    def _store_for(self, size_bytes: int | None) -> Store:
        return self._store if (size_bytes or 0) <= PART_BYTES else self._patient_store

    @cached_property
    def _patient_store(self) -> Store:
        """The same storage, for requests that take long."""
        remote = isinstance(self._store, S3Store)
        return _open(self.url, self._settings, LARGE_REQUEST_S) if remote else self._store

    async def create_async(self, key: str, data: Payload) -> bool:
        """Write an object only if there is none; False if there is one. Always one single request."""
        return await asyncio.to_thread(self.create, key, data)

    def head(self, key: str) -> ObjectInfo | None:
        """The object's size and time, or None where there is none."""
        try:
            with translated("head", key):
                return self._files.head(key) if self._files else object_info(obstore.head(self._store, key))
        except ObjectMissingError:
            return None

    async def head_async(self, key: str) -> ObjectInfo | None:
        """The object's size and time, or None where there is none."""
        try:
            with translated("head", key):
                return object_info(await obstore.head_async(self._store, key))
        except ObjectMissingError:
            return None

    def copy(self, source: str, target: str, size_bytes: int | None = None) -> None:
        """Copy an object inside the storage, or `ObjectMissingError`; above 5 GiB (`size_bytes`) by parts."""
        with translated("copy", source):
            if self._files is not None:
                self._files.copy(source, target)
            elif (size_bytes or 0) > SERVER_COPY_BYTES:
                asyncio.run(self._copy_by_parts(source, target))
            else:
                obstore.copy(self._store_for(size_bytes), source, target)

    async def _copy_by_parts(self, source: str, target: str) -> None:
        store = self._patient_store
        found = (await obstore.get_async(store, source)).stream(min_chunk_size=PART_BYTES)
        await obstore.put_async(store, target, found, chunk_size=8 * PART_BYTES, max_concurrency=2)

    def durable_later(self, folders: set[str]) -> AbstractContextManager[None]:
        """Let this thread put and copy without waiting for the disk; `make_durable` waits for all at once."""
        return self._files.folders_later(folders) if self._files is not None else nullcontext()

    def make_durable(self, folders: set[str]) -> None:
        """Wait until everything that was written meanwhile is durable."""
        with translated("flush", f"{len(folders)} folders"):
            if self._files is not None:
                self._files.sync_folders(folders)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand a request; a missing one is fine."""
        for start in range(0, len(keys), BULK_DELETE_KEYS):
            batch = keys[start : start + BULK_DELETE_KEYS]
            with translated("delete", batch[0]):
                self._delete(batch)

    def _delete(self, batch: Sequence[str]) -> None:
        if self._files is None:
            obstore.delete(self._store, [*batch])
            return
        for key in batch:
            self._files.delete(key)

    def list(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        """The objects whose key begins with `prefix` and is greater than `after`, in key order."""
        folder = prefix.rpartition("/")[0]
        if folder and longest_key(folder) != folder:
            return
        with translated("list", prefix):
            if self._files is not None:
                yield from self._files.list(folder, prefix, after or "")
            else:
                yield from self._list_remote(folder, prefix, after or "")

    def _list_remote(self, folder: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        offset = longest_key(max(after, prefix[:-1]))
        for page in obstore.list(self._store, folder or None, offset=offset, chunk_size=BULK_DELETE_KEYS):
            for meta in page:
                key = meta["path"]
                if key.startswith(prefix) and key > after:
                    yield object_info(meta)
                elif key > prefix and not key.startswith(prefix):
                    return

    def probe(self, prefix: str = "probe") -> bool:
        """Whether conditional creates are safe here: exactly one of several racing ones wins."""
        with translated_probe():
            return probe_create_only(self._store, prefix)

    def abilities(self, prefix: str = "probe") -> Abilities:
        """What the storage can do, tried out below `prefix`; `StorageError` where nothing can be said."""
        with translated_probe():
            return probe_abilities(self._store, prefix)


def _open(url: str, settings: Settings, request_s: float) -> Store:
    keys = (settings.s3_access_key, settings.s3_secret_key)
    access_key, secret_key = (key.get_secret_value() if key is not None else None for key in keys)
    bounds = {
        "connect_timeout": min(5.0, settings.s3_timeout_s / 2),
        "read_timeout": request_s,
        "timeout": max(300.0, request_s),
        "retry_timeout": settings.s3_timeout_s / 2,
        "max_retries": 3,
    }
    try:
        return open_object_store(
            url,
            endpoint=settings.s3_endpoint_url,
            access_key=access_key,
            secret_key=secret_key,
            region=settings.s3_region,
            s3_options=bounds,
        )
    except OptionError as error:
        raise ConfigurationError(f"{_without_credentials(url)}: {error.message}") from None


def _size_of(data: Payload) -> int:
    return data.stat().st_size if isinstance(data, Path) else len(data)


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
