"""An icechunk repository with the errors of this package; the only place that talks to icechunk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import icechunk
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from zarr_fuse.commit.history import Commit
from zarr_fuse.errors import AccessDeniedError, StorageError, StoreNotFoundError, ZarrFuseError

BRANCH = "main"
SPEC_ONE: dict[str, Any] = {} if icechunk.__version__.startswith("1.") else {"spec_version": 1}
DENIED = ("AccessDenied", "Access Denied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch")
FAILURES = (icechunk.IcechunkError, icechunk.ConflictError, OSError)

T = TypeVar("T")

if not os.environ.get("ICECHUNK_LOG"):
    icechunk.set_logs_filter("off")  # icechunk logs to stderr by itself; what matters is raised


def call(what: str, act: Callable[[], T]) -> T:
    """Run one step against icechunk, its failures translated.

    Raises:
        AccessDeniedError: the storage refuses the credentials.
        StorageError: it failed otherwise.
    """
    try:
        return act()
    except ZarrFuseError:
        raise
    except FAILURES as error:
        text = str(error)
        if any(sign in text for sign in DENIED):
            raise AccessDeniedError(f"access is denied: {what}") from error
        raise StorageError(f"icechunk failed: {what}: {_first_line(text)}") from error


class Repository:
    """The repository at one place.

    Args:
        storage: makes the icechunk storage of that place.
        config: settings of this handle, not stored.
        exists: whether there is a repository; icechunk would make a folder by looking, and ask for long.
    """

    def __init__(
        self,
        storage: Callable[[], icechunk.Storage],
        config: icechunk.RepositoryConfig,
        exists: Callable[[], bool],
    ) -> None:
        self._make_storage = storage
        self._config = config
        self.exists = exists
        self._opened: icechunk.Repository | None = None
        self.requests = 0

    def create(self) -> None:
        """Make the repository, in the version of the format that icechunk 1 reads too."""
        create: Any = icechunk.Repository.create
        self._call("create a repository", lambda: create(self._storage, **SPEC_ONE))

    def tip(self) -> str:
        """The newest snapshot.

        Raises:
            StoreNotFoundError: there is no repository.
        """
        return self._on_branch("read the branch", lambda repository: repository.lookup_branch(BRANCH))

    def writing(self) -> icechunk.Session:
        """A session on the newest snapshot, to be changed and saved.

        Raises:
            StoreNotFoundError: there is no repository.
        """
        return self._on_branch("open a session", lambda repository: repository.writable_session(BRANCH))

    def reading(self, snapshot: str) -> icechunk.Session:
        """A session that shows one snapshot for ever."""
        return self._call("open a snapshot", lambda: self._repository.readonly_session(snapshot_id=snapshot))

    def save(self, session: icechunk.Session, message: str, metadata: dict[str, Any]) -> str:
        """Store what the session holds, be it nothing new, as a snapshot that no branch names yet."""
        if not session.has_uncommitted_changes:
            _touch(session)
        self._count()
        return call("store a snapshot", lambda: session.flush(message, metadata=metadata))

    def advance(self, base: str, snapshot: str) -> None:
        """Make `snapshot` the newest if `base` still is: one conditional write.

        Raises:
            StorageError: it is not, or the outcome is unknown.
        """
        self._call(
            "move the branch",
            lambda: self._repository.reset_branch(BRANCH, snapshot, from_snapshot_id=base),
        )

    def ancestry(self, snapshot: str) -> Iterator[Commit]:
        """A snapshot and those before it, newest first; each costs one request when it is reached."""
        entries = self._call("read the history", lambda: self._repository.ancestry(snapshot_id=snapshot))
        while (entry := self._call("read the history", lambda: next(entries, None))) is not None:
            yield _commit(entry)

    @cached_property
    def _storage(self) -> icechunk.Storage:
        return self._make_storage()

    @property
    def _repository(self) -> icechunk.Repository:
        if self._opened is None:
            if not self.exists():
                raise StoreNotFoundError("there is no repository")
            self._opened = self._call(
                "open the repository", lambda: icechunk.Repository.open(self._storage, self._config)
            )
        return self._opened

    def _on_branch(self, what: str, act: Callable[[icechunk.Repository], T]) -> T:
        try:
            return self._call(what, lambda: act(self._repository))
        except StorageError as error:
            if self.exists():
                raise
            raise StoreNotFoundError("there is no repository") from error

    def _call(self, what: str, act: Callable[[], T]) -> T:
        self._count()
        return call(what, act)

    def _count(self) -> None:
        self.requests += 1


class SessionObjects:
    """The keys of a session, as the merge reads and writes them."""

    def __init__(self, session: icechunk.Session) -> None:
        self._store = session.store
        self.requests = 0

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The bytes under several keys, in their order."""
        prototype = default_buffer_prototype()
        found = self._each(f"read {_some(keys)}", [partial(self._store.get, key, prototype) for key in keys])
        return [None if buffer is None else bytes(buffer.to_bytes()) for buffer in found]

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Put values under keys; an array must be put before its chunks."""
        pairs = list(items)
        make = default_buffer_prototype().buffer.from_bytes
        self._each(
            f"write {_some([key for key, _ in pairs])}",
            [partial(self._store.set, key, make(data)) for key, data in pairs],
        )

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys; absent ones are no error."""
        self._each(f"remove {_some(keys)}", [partial(self._store.delete, key) for key in keys])

    def names(self, path: str) -> list[str]:
        """Names directly below a group."""
        return call(f"list {path!r}", lambda: sync(self._list(path)))

    async def _list(self, path: str) -> list[str]:
        return [name async for name in self._store.list_dir(path)]

    def _each(self, what: str, steps: Sequence[Callable[[], Any]]) -> list[Any]:
        async def together() -> list[Any]:
            return list(await asyncio.gather(*(step() for step in steps)))

        self.requests += len(steps)
        return call(what, lambda: sync(together()))


def _touch(session: icechunk.Session) -> None:
    """Write the root document anew: icechunk 1 stores no empty commit, and none whose bytes are the same."""
    objects = SessionObjects(session)
    document = objects.get("zarr.json") or b"{}"
    for data in (document + b" ", document):
        objects.put_many([("zarr.json", data)])


def _commit(entry: icechunk.SnapshotInfo) -> Commit:
    facts = entry.metadata
    return Commit(
        snapshot=entry.id,
        parent=entry.parent_id,
        time=entry.written_at,
        message=entry.message,
        item_ids=tuple(facts.get("item_ids", ())),
        nodes=tuple(facts.get("nodes", ())),
        rows=int(facts.get("rows", 0)),
    )


def _some(keys: Sequence[str]) -> str:
    return repr(keys[0]) + (f" and {len(keys) - 1} more" if len(keys) > 1 else "") if keys else "nothing"


def _first_line(text: str) -> str:
    lines = [line.strip(" x×|") for line in text.splitlines()]
    return next((line for line in lines if line), "no reason given")
