"""Durable writes and ordered listings for a storage that is a local folder.

obstore's local store renames into place, but never calls fsync. Here an object is written and synced under
a staging name first, so that after a power cut a key holds all of its bytes or does not exist.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

import obstore
from obstore import exceptions as ob
from obstore.store import LocalStore

from packages.common.objects import ObjectInfo, translated

STAGING = ".staging"
STALE_S = 24 * 3600
_TEMPORARY = re.compile(r".*#\d+")


class LocalFiles:
    """The files of one `LocalStore`."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._root = Path(store.prefix or "/")
        self._synced: set[Path] = set()
        self._later = threading.local()
        self._remove_stale()
        for folder in (self._root, *self._root.parents):
            with suppress(PermissionError):
                _sync(folder)

    def writer(self, key: str) -> LocalWriter:
        """An object to be written piece by piece, under a staging name until it is committed."""
        return LocalWriter(self, f"{STAGING}/{secrets.token_hex(16)}", key)

    def path(self, key: str) -> Path:
        """The file of an object."""
        return self._root / key

    def publish(self, staged: str, key: str) -> None:
        """Give a written file its key; when this returns it survives a power cut."""
        _sync(self._root / staged)
        obstore.rename(self._store, staged, key)
        self._sync_folders(key)

    def put(self, key: str, data: bytes | Path) -> None:
        """Write an object; when this returns it survives a power cut."""
        obstore.rename(self._store, self._stage(data), key)
        self._sync_folders(key)

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write an object only if there is none; False if there is one."""
        staged = self._stage(data)
        try:
            obstore.rename(self._store, staged, key, overwrite=False)
        except ob.AlreadyExistsError:
            obstore.delete(self._store, staged)
            return False
        self._sync_folders(key)
        return True

    def copy(self, source: str, target: str) -> None:
        """Copy an object (a hard link: objects are replaced, never changed)."""
        if not self._same(source, target):
            obstore.copy(self._store, source, target)
        if not self._same(source, target):
            _sync(self._root / target)
        self._sync_folders(target)

    @contextmanager
    def folders_later(self, folders: set[Path]) -> Iterator[None]:
        """Collect the folders that this thread would sync, for `sync_folders`; nothing is durable before."""
        self._later.folders = folders
        try:
            yield
        finally:
            self._later.folders = None

    def sync_folders(self, folders: Iterable[Path]) -> None:
        """Make durable what was written to some folders."""
        for folder in folders:
            _sync(folder)

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is fine."""
        with suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def list(self, folder: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """The objects below `folder` that begin with `prefix` and lie behind `after`, in key order."""
        above = f"{folder}/" if folder else ""
        return self._walk(above, prefix.removeprefix(above), after)

    def _walk(self, above: str, begin: str, after: str) -> Iterator[ObjectInfo]:
        least = after[len(above) :].partition("/")[0] if after.startswith(above) else ""
        for key, entry in self._entries(above, begin, least):
            if key.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(key, "", after)
            elif key > after:
                with suppress(FileNotFoundError):
                    found = entry.stat()
                    yield ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _entries(self, above: str, begin: str, least: str) -> Sequence[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(self._root / above) as entries:
                found = [
                    entry
                    for entry in entries
                    if f"{entry.name}/" >= least and entry.name.startswith(begin) and _is_object(entry)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        if not above:
            found = [entry for entry in found if entry.name != STAGING]
        keyed = [(f"{above}{entry.name}{'/' if entry.is_dir() else ''}", entry) for entry in found]
        return sorted(keyed, key=itemgetter(0))

    def _stage(self, data: bytes | Path) -> str:
        staged = f"{STAGING}/{secrets.token_hex(16)}"
        obstore.put(self._store, staged, data, use_multipart=False)
        _sync(self._root / staged)
        return staged

    def _sync_folders(self, key: str) -> None:
        folder = (self._root / key).parent
        later: set[Path] | None = getattr(self._later, "folders", None)
        if later is None:
            _sync(folder)
        else:
            later.add(folder)
        while folder != self._root and folder not in self._synced:
            _sync(folder.parent)
            self._synced.add(folder)
            folder = folder.parent

    def _same(self, source: str, target: str) -> bool:
        with suppress(FileNotFoundError):
            return (self._root / source).samefile(self._root / target)
        return False

    def _remove_stale(self) -> None:
        for path in (self._root / STAGING).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - STALE_S:
                    path.unlink()


class LocalWriter:
    """A file that grows under a staging name."""

    held_bytes = 0

    def __init__(self, files: LocalFiles, staged: str, key: str) -> None:
        self._files, self._staged, self._key = files, staged, key
        path = files.path(staged)
        path.parent.mkdir(exist_ok=True)
        self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        """Append the next bytes."""
        with translated("write", self._key):
            self._file.write(data)

    def commit(self) -> None:
        """Sync the file and give it its key."""
        with translated("commit", self._key):
            self._file.close()
            self._files.publish(self._staged, self._key)

    def abort(self) -> None:
        """Remove the file, unless it has its key already."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._files.path(self._staged).unlink(missing_ok=True)


def _is_object(entry: os.DirEntry[str]) -> bool:
    if not _is_text(entry.name):
        return False
    return "#" not in entry.name or entry.is_dir() or _TEMPORARY.fullmatch(entry.name) is None


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
