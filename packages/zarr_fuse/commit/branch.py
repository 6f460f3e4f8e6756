"""The branch of an icechunk repository: moving it, taking the last move back, finding older places."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import takewhile

from zarr_fuse.commit.local_disk import LocalFolder
from zarr_fuse.commit.repository import Repository
from zarr_fuse.commit.snapshot_ledger import SnapshotLedger
from zarr_fuse.commit.view import View
from zarr_fuse.errors import CommitConflictError, SnapshotNotFoundError, StorageError, TransactionError


class Branch:
    """The branch that all handles of a store share.

    Args:
        folder: lock and disk of a repository on a local path, None elsewhere.
    """

    def __init__(self, repository: Repository, folder: LocalFolder | None) -> None:
        self._repository = repository
        self._folder = folder

    def commit(self, base: str, snapshot: str) -> None:
        """Make a stored snapshot the newest one.

        Raises:
            CommitConflictError: `base` is not the newest any more.
            StorageError: the storage failed; the branch has not moved, as far as can be known.
        """
        if self._folder:
            self._folder.settle()
            self._folder.lock.acquire()
        self._move(base, snapshot, lambda tip: self._is_between(base, snapshot, tip))

    def rollback(self, snapshot: str, ledger: SnapshotLedger) -> None:
        """Take the newest commit back.

        Raises:
            SnapshotNotFoundError: the history has no such snapshot.
            TransactionError: it is not the newest, or the store began with it.
        """
        if self._folder:
            self._folder.lock.acquire()
        tip = self._repository.tip()
        if snapshot != tip:
            if not ledger.has_snapshot(tip, snapshot):
                raise SnapshotNotFoundError(f"the history has no snapshot {snapshot!r}")
            raise TransactionError(f"only the newest commit can be taken back, and that is {tip}")
        parent = next(self._repository.ancestry(tip)).parent
        if parent is None or not self._is_store(parent):
            raise TransactionError("the store began with this commit: remove the store instead")
        try:
            self._move(tip, parent, lambda now: now == parent)
        except CommitConflictError as error:
            raise TransactionError(f"{snapshot} is not the newest commit any more") from error

    def place(self, as_of: str | datetime, ledger: SnapshotLedger) -> str:
        """The snapshot that a store showed at a time, or the one of that name.

        Raises:
            SnapshotNotFoundError: the history has none.
        """
        tip = self._repository.tip()
        if isinstance(as_of, str):
            if not ledger.has_snapshot(tip, as_of):
                raise SnapshotNotFoundError(f"the history has no snapshot {as_of!r}")
            return as_of
        for commit in self._repository.ancestry(tip):
            if commit.time <= as_of:
                return commit.snapshot
        raise SnapshotNotFoundError(f"the history begins after {as_of.isoformat()}")

    def _move(self, base: str, snapshot: str, has_arrived: Callable[[str], bool]) -> None:
        try:
            self._repository.advance(base, snapshot)
        except StorageError as error:
            tip = self._repository.tip()
            if tip == base:
                raise
            if not has_arrived(tip):
                raise CommitConflictError("another writer has committed first") from error
        if self._folder:
            self._folder.confirm()

    def _is_between(self, base: str, snapshot: str, tip: str) -> bool:
        since = takewhile(lambda commit: commit.snapshot != base, self._repository.ancestry(tip))
        return any(commit.snapshot == snapshot for commit in since)

    def _is_store(self, snapshot: str) -> bool:
        view = View(self._repository)
        view.show(snapshot)
        return view.get("zarr.json") is not None
