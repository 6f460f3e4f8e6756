"""Committing to a plain Zarr store: lease, stage, commit record, apply, clean.

| it dies | what is left | who repairs it, and how |
|---|---|---|
| while staging | intents, a stage, cells beyond the extent | the next holder blanks and removes them |
| before the answer to the commit | a record or none | reading it back decides |
| after the commit | a record newer than the stamp of the root | the next holder applies it |
| while cleaning | a stage with an applied record | the next holder removes it |
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from zarr.abc.store import Store as ZarrStore
from zarr.storage import ObjectStore

from zarr_fuse.commit.documents import put_documents
from zarr_fuse.commit.edits import ChunkEdit, Stage
from zarr_fuse.commit.history import Commit, history_of
from zarr_fuse.commit.lease import Lease
from zarr_fuse.commit.ledger import Ledger, read_sidecar
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.commit.recovery import Recovery, closing, has_leftovers
from zarr_fuse.commit.safety import require_create_only
from zarr_fuse.commit.staging import Staging
from zarr_fuse.errors import LeaseHeldError, LeaseLostError, TransactionError, ZarrFuseError
from zarr_fuse.options import Options
from zarr_fuse.storage.location import Location
from zarr_fuse.storage.objects import Objects
from zarr_fuse.storage.opening import CALL_TIMEOUT_S
from zarr_fuse.stored.layout import STAMP, Catalog, Layout, consolidated, encode, read_catalog
from zarr_fuse.undoing import undone_on_error

COMPACT_EVERY = 16  # transactions between two looks at the ledger

logger = logging.getLogger("zarr_fuse")


class WriteAhead:
    """The commit protocol of one store handle, in the order of its methods.

    `number` is the number of the running transaction: that of its lease.
    """

    reruns = 0
    consolidated = True

    def __init__(
        self,
        raw: Any,  # noqa: ANN401 - obstore's union of stores
        objects: Objects,
        layout: Layout,
        options: Options,
        location: Location,
    ) -> None:
        self.layout = layout
        self.chunks = objects
        self.ledger = Ledger(objects, layout)
        self.number = 0
        self._raw = raw
        self._location = location
        self._options = options
        self._objects = objects
        self._layout = layout
        self._lease = _lease(objects, layout, options) if options.writers == "many" else None
        self._recovery = Recovery(objects, layout, self.ledger, self.apply, self._renew)
        self._is_current = False

    @property
    def snapshot(self) -> str:
        """The number of the last transaction, as its commit record carries it."""
        return f"{self.number:08d}"

    @property
    def requests(self) -> int:
        """Storage requests made so far."""
        return self._objects.requests

    def read(self) -> Catalog | None:
        """The documents as of the last commit, None where there is no store."""
        return read_catalog(self._objects, self._layout)

    def create_groups(self, catalog: Catalog, missing: Catalog) -> Catalog:
        """Create absent group documents; the root's comes last and makes a new store visible."""
        merged = {**catalog, **missing}
        for path in sorted(missing, key=lambda one: (one == "", -one.count("/"))):
            self._objects.create(self._layout.document(path), encode(consolidated(merged, path)))
        return (self.read() or catalog) if "" in missing else catalog

    def repair(self, catalog: Catalog) -> Catalog:
        """Repair what a dead writer left; one that is alive will finish by itself."""
        if not has_leftovers(self._objects, self._layout, catalog):
            return catalog
        try:
            _, catalog = self.begin(catalog)
        except LeaseHeldError as error:
            logger.warning("opened without repair: %s", error)
            return catalog
        self.discard()
        return catalog

    def begin(self, catalog: Catalog, rerun: int = 0) -> tuple[bool, Catalog]:  # noqa: ARG002 - never rerun
        """Become the writer; whether `catalog` was current all the time, and the current one.

        Raises:
            LeaseHeldError: another writer did not let go.
            UnsafeStoreError: the storage cannot guard a lease.
        """
        self._take_number()
        if self._is_current and (self._lease is None or self._lease.follows_own):
            return True, catalog
        with undone_on_error(self.discard):
            catalog = self._recovery.run(self.number, self.read() or catalog)
            if self._lease:
                self._objects.delete(self._lease.lower_locks())
        return False, catalog

    def keep(self) -> None:
        """Stay the writer between the calls of a transaction's user."""
        if self._lease:
            self._lease.keep()
            self.number = self._lease.number

    def stage(self, edits: Iterable[ChunkEdit], documents: Catalog) -> Stage:  # noqa: ARG002 - the record has them
        """Write all chunks, to their final keys where that harms nobody, else to the stage."""
        return Staging(self._objects, self._layout, self.number, self._renew).write(edits)

    def commit(self, record: CommitRecord, stage: Stage, catalog: Catalog) -> Catalog:
        """Commit, apply, clean, let the next writer in; the new catalog.

        Raises:
            LeaseLostError: another writer has taken over; nothing is visible.
        """
        if self._lease:
            self._lease.check()
        if not self._objects.create(self._layout.record(self.number), record.encode()):
            raise LeaseLostError(f"transaction {self.number} was closed by another writer")
        self.ledger.learn(record)
        catalog = self.apply(record, catalog)
        self._clean(stage.keys)
        if self._lease:
            self._lease.release()
        self._is_current = True
        return catalog

    def discard(self) -> None:
        """End the transaction without commit; what it staged is undone by the next one."""
        self._is_current = False
        try:
            self._objects.create(self._layout.record(self.number), closing(self.number).encode())
            if self._lease:
                self._lease.release()
        except ZarrFuseError as error:
            logger.warning("the next writer has to clean up: %s", error)
        if self._lease:
            self._lease.forget()

    def remove(self) -> None:
        """Delete the store, its root document first, then the sidecar."""
        self._take_number()
        self._objects.delete([self._layout.document("")])
        self._objects.remove_tree(self._layout.data_root)
        self._objects.remove_tree(self._layout.side())

    def history(self) -> list[Commit]:
        """The commits whose record still exists, newest first: the ledger folds older ones away."""
        numbers = read_sidecar(self._objects, self._layout).records
        found = self._objects.get_many([self._layout.record(number) for number in numbers])
        records = [CommitRecord.decode(data) for data in found if data]
        return list(reversed(history_of([record for record in records if not record.closed])))

    def rollback(self, snapshot: str) -> None:
        """Raise `TransactionError`: this format overwrites cells in place."""
        raise TransactionError(
            f"{snapshot} cannot be taken back: format zarr keeps no older states, format icechunk does"
        )

    def zarr_store(self) -> ZarrStore:
        """The dataset store, read-only."""
        return ObjectStore(self._location.open(self._options, whole=False), read_only=True)

    def apply(self, record: CommitRecord, catalog: Catalog) -> Catalog:
        """Carry a committed record out; repeating it is harmless. Returns the new catalog."""
        self._renew()
        self._objects.copy_many([(source, target) for source, target in record.staged])
        self._renew()
        self._objects.delete(list(record.deleted))
        if not (record.documents or record.staged or record.deleted):
            return catalog
        merged = {**catalog, **record.documents}
        root = merged[""]
        merged[""] = {**root, "attributes": {**root["attributes"], STAMP: record.number}}
        put_documents(self._objects, self._layout, record.documents, merged, self._renew)
        return merged

    def _take_number(self) -> None:
        if self._lease is None:
            sidecar = read_sidecar(self._objects, self._layout)
            self.number = max((*sidecar.records, *sidecar.stages, sidecar.folded), default=0) + 1
            return
        require_create_only(self._raw, self._layout.side())
        self._lease.acquire()
        self.number = self._lease.number

    def _clean(self, keys: Iterable[str]) -> None:
        """Remove staged objects and the own previous lock, and fold old records."""
        locks = self._lease.lower_locks() if self._lease and self._lease.follows_own else []
        self._objects.delete([*keys, *locks])
        if self.number % COMPACT_EVERY == 0:
            self.ledger.compact()

    def _renew(self) -> None:
        if self._lease:
            self._lease.renew_when_due()


def _lease(objects: Objects, layout: Layout, options: Options) -> Lease:
    timeout_s = CALL_TIMEOUT_S if objects.is_remote else 0.0
    return Lease(objects, layout, options.lease_ttl_s, options.lease_wait_s, timeout_s)
