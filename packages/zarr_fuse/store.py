"""A store handle: the committed state it has seen, the lease, and the commit of transactions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zarr.storage import ObjectStore

from zarr_fuse.commit.lease import Lease
from zarr_fuse.commit.ledger import Ledger, read_sidecar
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.commit.safety import require_create_only
from zarr_fuse.commit.write_ahead import ChunkEdit, Stage, WriteAhead
from zarr_fuse.errors import (
    LeaseHeldError,
    NodeNotFoundError,
    ReadOnlyError,
    StoreNotFoundError,
    TransactionError,
    ZarrFuseError,
)
from zarr_fuse.evolution import combined, flatten
from zarr_fuse.layout import (
    STAMP,
    Catalog,
    Document,
    Layout,
    consolidated,
    encode,
    group_document,
    is_group,
    read_catalog,
)
from zarr_fuse.location import locate
from zarr_fuse.merge import NodeMerge
from zarr_fuse.node_documents import node_attributes
from zarr_fuse.objects import Objects
from zarr_fuse.options import Options
from zarr_fuse.reader import ChunkReader
from zarr_fuse.schema import DatasetSchema, NodeSchema
from zarr_fuse.storage import CALL_TIMEOUT_S

if TYPE_CHECKING:
    from zarr_fuse.transaction import Transaction

KEPT_BYTES = 32 * 2**20  # chunks a handle keeps of its last transaction
logger = logging.getLogger("zarr_fuse")


class Store:
    """One opened store; `schemas` holds the node schemas that were passed, by group path."""

    def __init__(self, schema: NodeSchema | None, options: Options) -> None:
        self.options = options
        self.location = locate(options)
        self.schemas = flatten(schema) if schema else {}
        self.layout = Layout(self.location.name)
        raw = self.location.open(options, whole=True)
        self._raw = raw
        self.objects = Objects(raw)
        self.reader = ChunkReader(self.objects, self.layout)
        self.ledger = Ledger(self.objects, self.layout)
        timeout_s = CALL_TIMEOUT_S if self.objects.is_remote else 0.0
        self._lease = (
            Lease(self.objects, self.layout, options.lease_ttl_s, options.lease_wait_s, timeout_s)
            if options.writers == "many"
            else None
        )
        self._write_ahead = WriteAhead(self.objects, self.layout, self._lease, self.ledger)
        self._transaction: Transaction | None = None
        self._effective: dict[str, tuple[str, DatasetSchema]] = {}
        self._new_groups: Catalog = {}
        self._written: list[ChunkEdit] | None = []
        self._is_current = False
        self.catalog: Catalog = {}

    @property
    def number(self) -> int:
        """Number of the running transaction."""
        return self._write_ahead.number

    def open(self) -> None:
        """Read the committed state; in mode `a` create missing groups and repair what a dead writer left.

        Raises:
            StoreNotFoundError: there is no store, and it may not or cannot be created.
            SchemaConflictError: the schema passed contradicts the stored one.
        """
        catalog = read_catalog(self.objects, self.layout)
        if catalog is None and (self.options.mode == "r" or not self.schemas):
            raise StoreNotFoundError(f"there is no store at {self.location.url}")
        self.catalog = catalog or {}
        if self.options.mode == "r":
            return
        for path in self.schemas:
            self.schema_of(path)
        self._create_groups()
        self._repair_leftovers()

    def schema_of(self, path: str) -> DatasetSchema:
        """The schema in force for a node: the one passed over the stored one.

        Raises:
            NodeNotFoundError: neither has the node.
        """
        document = self.catalog.get(path)
        if path not in self.schemas and (document is None or not is_group(document)):
            raise NodeNotFoundError(f"no node {path!r} in {self.location.url}")
        text = document["attributes"].get("__structure__", "") if document else ""
        if self._effective.get(path, (None,))[0] != text:
            schema = combined(self.schemas.get(path), text, path, read_only=self.options.mode == "r")
            self._effective[path] = (text, schema)
        return self._effective[path][1]

    def paths(self) -> set[str]:
        """Group paths of all nodes, stored or in the schema passed."""
        return set(self.schemas) | {path for path, document in self.catalog.items() if is_group(document)}

    def is_outdated(self, path: str) -> bool:
        """Whether the schema passed has grown beyond what the store knows of a node."""
        if path not in self.catalog:
            return False
        merge = self.merge_of(path)
        merge.touch()
        found = merge.documents()
        return any(_essence(document) != _essence(self.catalog.get(name)) for name, document in found.items())

    def remove(self) -> None:
        """Delete the store, its root document first, then the sidecar.

        Raises:
            StoreNotFoundError: something else lies there.
        """
        keys = self.objects.keys(self.layout.data_root)
        sidecar = self.objects.keys(self.layout.side())
        if not keys and not sidecar:
            return
        root = self.layout.document("")
        if not sidecar and root not in keys:
            raise StoreNotFoundError(f"{self.location.url} holds something, but no store: it is left alone")
        self._take_lease()
        self.objects.delete([root])
        self.objects.remove_tree(self.layout.data_root)
        self.objects.remove_tree(self.layout.side())

    def refresh(self) -> None:
        """Read the committed state again."""
        self.catalog = read_catalog(self.objects, self.layout) or self.catalog

    def require_writable(self) -> None:
        """Raise `ReadOnlyError` in mode `r`."""
        if self.options.mode == "r":
            raise ReadOnlyError(f"{self.location.url} is open in mode r")

    # The life of a transaction, in this order.

    def begin(self, transaction: Transaction) -> None:
        """Become the writer, with the committed state at hand."""
        self.require_writable()
        if self._transaction is not None:
            raise TransactionError("a transaction of this store handle is open already")
        self._take_lease()
        self._transaction = transaction
        try:
            self._see_committed_state()
        except BaseException:
            self.discard()
            raise

    def keep_lease(self) -> None:
        """Renew the lease between the calls of a transaction's user."""
        if self._lease:
            self._lease.keep()
            self._write_ahead.number = self._lease.number

    def merge_of(self, path: str) -> NodeMerge:
        """A fresh merge of a node."""
        return NodeMerge(path, self.schema_of(path), self.catalog, self.reader)

    def missing_groups(self) -> Catalog:
        """Documents of groups that the committed metadata does not name yet."""
        return self._new_groups

    def stage(self, edits: Iterable[ChunkEdit]) -> Stage:
        """Write the chunks of the running transaction."""
        self._written = []
        return self._write_ahead.stage(self._noted(edits))

    def commit(self, record: CommitRecord, stage: Stage) -> None:
        """Commit, apply, clean and let the next writer in."""
        self._write_ahead.commit(record)
        self.catalog = self._write_ahead.apply(record, self.catalog)
        self._write_ahead.clean(stage.keys)
        self._keep_written()
        if self._lease:
            self._lease.release()
        self._is_current = True
        self._transaction = None

    def discard(self) -> None:
        """End a transaction without commit; what it staged is undone by the next one."""
        self._transaction = None
        self._is_current = False
        self.reader.clear()
        try:
            self._write_ahead.close()
            if self._lease:
                self._lease.release()
        except ZarrFuseError as error:
            logger.warning("%s: the next writer has to clean up: %s", self.location.url, error)
        if self._lease:
            self._lease.forget()

    def _take_lease(self) -> None:
        if self._lease is None:
            sidecar = read_sidecar(self.objects, self.layout)
            self._write_ahead.number = max((*sidecar.records, *sidecar.stages, sidecar.folded), default=0) + 1
            return
        require_create_only(self._raw, self.layout.side())
        self._lease.acquire()
        self._write_ahead.number = self._lease.number

    def _see_committed_state(self) -> None:
        if not self._is_current or (self._lease is not None and not self._lease.follows_own):
            self.reader.clear()
            self.refresh()
            self.catalog = self._write_ahead.recover(self.catalog)
        self._new_groups = {path: self._new_group(path) for path in self.schemas if path not in self.catalog}
        self.catalog = {**self.catalog, **self._new_groups}

    def _noted(self, edits: Iterable[ChunkEdit]) -> Iterator[ChunkEdit]:
        size = 0
        for edit in edits:
            size += 0 if edit.cells is None else edit.cells.nbytes
            if size > KEPT_BYTES:
                self._written = None
            elif self._written is not None:
                self._written.append(edit)
            yield edit

    def _keep_written(self) -> None:
        if self._written is None:
            self.reader.clear()
        for edit in self._written or ():
            self.reader.keep(edit.array, edit.index, edit.cells)
        self._written = []

    # Opening.

    def _new_group(self, path: str) -> Document:
        return group_document(node_attributes(self.schema_of(path), {}, empty=True))

    def _create_groups(self) -> None:
        """Create absent group documents; the root's comes last and makes a new store visible."""
        missing = {path: self._new_group(path) for path in self.schemas if path not in self.catalog}
        merged = {**self.catalog, **missing}
        for path in sorted(missing, key=lambda one: (one == "", -one.count("/"))):
            self.objects.create(self.layout.document(path), encode(consolidated(merged, path)))
        if "" in missing:
            self.refresh()

    def _repair_leftovers(self) -> None:
        sidecar = read_sidecar(self.objects, self.layout)
        stamp = self.catalog[""]["attributes"].get(STAMP, 0)
        if not sidecar.stages and not any(number > stamp for number in sidecar.records):
            return
        try:
            self._take_lease()
        except LeaseHeldError:
            logger.warning("%s: another writer is at work, opening without repair", self.location.url)
            return
        try:
            self._see_committed_state()
        finally:
            self.discard()

    def zarr_store(self) -> Any:  # noqa: ANN401 - zarr's ObjectStore is generic over obstore's stores
        """A read-only zarr store of the dataset."""
        return ObjectStore(self.location.open(self.options, whole=False), read_only=True)


def _essence(document: Document | None) -> Document | None:
    """A document without the version of the package that wrote it."""
    if document is None:
        return None
    attributes = {key: value for key, value in document["attributes"].items() if key != "VERSION"}
    return {**document, "attributes": attributes}
