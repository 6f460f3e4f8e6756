"""Objects in a local folder, by plain system calls: durable, and a third of what a local object store costs.

An object is written beside its place, flushed, and only then given its name, so that after a power cut a key
holds all bytes of one version. The name it has until then is one that obstore does not list.
"""

# ruff: noqa: PTH103, PTH105, PTH108, PTH112, PTH120, PTH123 - a `Path` takes as long as the call it is for
from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TypeVar

FLUSHES_IN_FLIGHT = 4  # a journalling file system commits what arrives together at once

T = TypeVar("T")


class LocalObjects:
    """The objects below the folder `root`; errors are those of the system."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") + "/"

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""
        try:
            with open(self._root + key, "rb", buffering=0) as file:
                return file.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def put_many(self, items: Sequence[tuple[str, bytes]], *, durable: bool) -> None:
        """Write objects; when this returns, durable ones survive a power cut."""
        paths = [self._root + key for key, _ in items]
        staged, made = [_staging(path) for path in paths], set[str]()

        def write(number: int) -> None:
            _write(staged[number], items[number][1], made, durable=durable)

        with _removed_after(staged), ThreadPoolExecutor(FLUSHES_IN_FLIGHT) as pool:
            _each(write, range(len(items)), pool if durable else None)
            for source, target in zip(staged, paths, strict=True):
                os.replace(source, target)
            if durable:
                _each(_sync, _folders(paths, made), pool)

    def create(self, key: str, data: bytes, *, durable: bool) -> bool:
        """Write an object only if there is none; False if there is one."""
        path, made = self._root + key, set[str]()
        staged = _staging(path)
        with _removed_after([staged], always=True):
            _write(staged, data, made, durable=durable)
            try:
                os.link(staged, path)
            except FileExistsError:
                return False
        if durable:
            for folder in _folders([path], made):
                _sync(folder)
        return True

    def copy_many(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Copy durable objects, which are replaced and never changed: a second name is a copy."""
        made, paths = set[str](), list[str]()
        for source, target in pairs:
            path = self._root + target
            staged = _staging(path)
            _with_folder(path, partial(os.link, self._root + source, staged), made)
            os.replace(staged, path)
            with suppress(FileNotFoundError):
                os.unlink(staged)  # it stays where both are the same file already
            paths.append(path)
        with ThreadPoolExecutor(FLUSHES_IN_FLIGHT) as pool:
            _each(_sync, _folders(paths, made), pool)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; a missing one is fine."""
        for key in keys:
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self._root + key)


def _each(act: Callable[[T], None], items: Iterable[T], pool: ThreadPoolExecutor | None) -> None:
    """Do something to each of the items; where there are many and a pool, every thread takes its share."""
    every = list(items)

    def share(first: int) -> None:
        for one in every[first::FLUSHES_IN_FLIGHT]:
            act(one)

    if pool is None or len(every) <= FLUSHES_IN_FLIGHT:
        for one in every:
            act(one)
    else:
        list(pool.map(share, range(FLUSHES_IN_FLIGHT)))


def _write(path: str, data: bytes, made: set[str], *, durable: bool) -> None:
    """Write a new file, in a folder that may have to be made."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = _with_folder(path, lambda: os.open(path, flags, 0o666), made)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _removed_after(staged: Iterable[str], *, always: bool = False) -> Iterator[None]:
    """Remove files that have not got their name, after an error or always."""
    with ExitStack() as stack:
        stack.callback(_removed, staged)
        yield
        if not always:
            stack.pop_all()


def _removed(paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _staging(path: str) -> str:
    return f"{path}#{secrets.randbits(62)}"


def _with_folder(path: str, act: Callable[[], T], made: set[str]) -> T:
    """Do something in the folder of `path`, which may have to be made; folders that gain one join `made`."""
    try:
        return act()
    except FileNotFoundError:
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
            made.add(folder)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return act()


def _folders(paths: Iterable[str], made: set[str]) -> set[str]:
    return {os.path.dirname(path) for path in paths} | made


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
