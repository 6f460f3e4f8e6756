"""Committing to an icechunk repository: a transaction becomes one snapshot, then the newest one.

| it dies | what is left | who repairs it, and how |
|---|---|---|
| while creating the repository | a lock, objects without a branch | the next creator removes them |
| while writing chunks or the snapshot | objects that no branch names | nobody need: they are never read |
| before the answer to the commit | the branch moved or not | reading the branch back decides |
| after the commit | nothing | – |

The snapshot is stored before the branch is moved, so its name is known when an answer is lost. On a folder,
icechunk neither compares and moves the branch in one step nor waits for the disk: a lock of the operating
system and a sync of the file system before the move make up for both.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import icechunk
from zarr.abc.store import Store as ZarrStore

from zarr_fuse.commit.branch import Branch
from zarr_fuse.commit.creation import Creation
from zarr_fuse.commit.edits import ChunkEdit, Stage
from zarr_fuse.commit.history import Commit
from zarr_fuse.commit.local_disk import LocalFolder
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.commit.repository import Repository, SessionObjects
from zarr_fuse.commit.snapshot_ledger import SnapshotLedger
from zarr_fuse.commit.staging import batches
from zarr_fuse.commit.view import View
from zarr_fuse.errors import (
    CommitConflictError,
    SnapshotNotFoundError,
    StoreNotFoundError,
    TransactionError,
    ZarrFuseError,
)
from zarr_fuse.stored.layout import Catalog, Layout, encode, join
from zarr_fuse.undoing import undone_on_error

RERUNS = 10
PAUSE_S = 0.02  # upper bound of the pause before the first rerun; doubled each time
LONGEST_PAUSE_S = 2.0

logger = logging.getLogger("zarr_fuse")


class Snapshots:
    """The commit protocol of one store handle over an icechunk repository.

    Args:
        creation: makes and removes the repository; has access to the sidecar.
        folder: what a repository on a local path needs besides, None elsewhere.
        as_of: a snapshot or a time; the handle shows that state for ever.
    """

    number = 0
    reruns = RERUNS
    consolidated = False

    def __init__(
        self,
        repository: Repository,
        creation: Creation,
        folder: LocalFolder | None,
        as_of: str | datetime | None,
    ) -> None:
        self.layout = Layout("")
        self.chunks = View(repository)
        self.ledger = SnapshotLedger(creation.objects, creation.layout, self._tip, repository.ancestry)
        self.snapshot = ""
        self._repository = repository
        self._branch = Branch(repository, folder)
        self._creation = creation
        self._folder = folder
        self._as_of = as_of
        self._pinned = ""
        self._session: icechunk.Session | None = None
        self._base = ""
        self._target: SessionObjects | None = None
        self._counted = 0

    @property
    def requests(self) -> int:
        """Calls of icechunk and requests to the sidecar; one commit makes several requests of its own."""
        parts = (self.chunks, self._repository, self._creation.objects, self._target)
        return self._counted + sum(part.requests for part in parts if part)

    def read(self) -> Catalog | None:
        """The documents as of the last commit, or of the running transaction's start; None without store."""
        try:
            self.chunks.show(self._tip())
        except StoreNotFoundError:
            return None
        catalog = self.chunks.catalog()
        if self._as_of and not catalog:
            raise SnapshotNotFoundError(f"AS_OF={self._as_of}: the store had no content then")
        return catalog or None

    def create_groups(self, catalog: Catalog, missing: Catalog) -> Catalog:
        """Create the repository where there is none and commit the groups it lacks."""
        if not missing:
            return catalog
        self._creation.create(self._repository)
        for rerun in range(RERUNS + 1):
            _, catalog = self.begin(catalog, rerun)
            try:
                absent = {path: document for path, document in missing.items() if path not in catalog}
                if absent:
                    self.stage((), absent)
                    catalog = self.commit(_groups(absent), Stage(), catalog)
            except CommitConflictError:
                continue
            finally:
                self.discard()
            return catalog
        raise CommitConflictError("other writers kept committing before the groups could be created")

    def repair(self, catalog: Catalog) -> Catalog:
        """Nothing: what a dead writer leaves is named by no branch."""
        return catalog

    def begin(self, catalog: Catalog, rerun: int = 0) -> tuple[bool, Catalog]:  # noqa: ARG002 - read anew
        """Start from the newest snapshot; after a conflict wait a little, or on a folder keep others out.

        Raises:
            StoreNotFoundError: the store was removed.
            LeaseHeldError: another writer held the folder for too long.
        """
        with undone_on_error(self.discard):
            if rerun:
                self._make_way(rerun)
            self._session = self._repository.writing()
            is_current, self._base = self._session.snapshot_id == self._base, self._session.snapshot_id
            self.chunks.show(self._base)
            return is_current, self.chunks.catalog()

    def keep(self) -> None:
        """Nothing: a session does not run out."""

    def stage(self, edits: Iterable[ChunkEdit], documents: Catalog) -> Stage:
        """Put documents, then chunks, into the session; no branch names them."""
        target = self._target = SessionObjects(self._running())
        target.put_many([(join(path, "zarr.json"), encode(documents[path])) for path in sorted(documents)])
        stage = Stage()
        for batch in batches(edits):
            keys = [(self.layout.chunk(edit.array.path, edit.index), data) for edit, data in batch]
            target.put_many([(key, data) for key, data in keys if data is not None])
            target.delete([key for key, data in keys if data is None])
            stage.chunks += len(batch)
        return stage

    def commit(self, record: CommitRecord, stage: Stage, catalog: Catalog) -> Catalog:
        """Store the session as a snapshot and make it the newest; the documents after it.

        Raises:
            CommitConflictError: another writer has committed since `begin`; nothing is visible.
        """
        if not (record.documents or stage.chunks or record.item_ids or record.message):
            self.snapshot = self._base
            self.discard()
            return catalog
        base, session = self._base, self._running()
        snapshot = self._repository.save(session, record.message or _message(record), _facts(record))
        self._branch.commit(base, snapshot)
        merged = {**catalog, **record.documents}
        self.chunks.show(snapshot, merged)
        self.snapshot = self._base = snapshot
        self._remember(record, base)
        self.discard()
        return merged

    def discard(self) -> None:
        """Forget the session."""
        self._counted += self._target.requests if self._target else 0
        self._session = self._target = None
        if self._folder:
            self._folder.lock.release()

    def remove(self) -> None:
        """Delete the repository, then the sidecar."""
        if self._folder:
            self._folder.lock.acquire()
        try:
            self._creation.remove()
        finally:
            self.discard()

    def history(self) -> list[Commit]:
        """All commits, newest first; one request each."""
        return list(self._repository.ancestry(self._tip()))

    def rollback(self, snapshot: str) -> None:
        """Take the newest commit back; see `Branch.rollback`."""
        try:
            self._branch.rollback(snapshot, self.ledger)
        finally:
            self.discard()

    def zarr_store(self) -> ZarrStore:
        """The snapshot last read, as a read-only zarr store."""
        return self.chunks.zarr_store()

    def _tip(self) -> str:
        """The snapshot this handle looks at."""
        if self._as_of:
            self._pinned = self._pinned or self._branch.place(self._as_of, self.ledger)
            return self._pinned
        return self._base if self._session else self._repository.tip()

    def _make_way(self, rerun: int) -> None:
        if self._folder:
            self._folder.lock.acquire()
        else:
            time.sleep(random.uniform(0, min(LONGEST_PAUSE_S, PAUSE_S * 2**rerun)))

    def _remember(self, record: CommitRecord, base: str) -> None:
        commit = Commit(self.snapshot, base, datetime.now(UTC), record.message, tuple(record.item_ids))
        self.ledger.learn(commit)
        try:
            self.ledger.compact(self.snapshot)
        except ZarrFuseError as error:
            logger.warning("the ledger stays longer than it need be: %s", error)

    def _running(self) -> icechunk.Session:
        if self._session is None:
            raise TransactionError("no transaction is running")
        return self._session


def _facts(record: CommitRecord) -> dict[str, Any]:
    return {"item_ids": list(record.item_ids), "nodes": list(record.nodes), "rows": record.rows}


def _message(record: CommitRecord) -> str:
    nodes = ", ".join(node or "the root" for node in record.nodes)
    rows = "1 row" if record.rows == 1 else f"{record.rows} rows"
    return f"{rows} into {nodes}" if nodes else "no rows"


def _groups(documents: Catalog) -> CommitRecord:
    return CommitRecord(0, "", message="groups", documents=documents)
