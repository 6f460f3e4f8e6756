"""A store handle: the committed state it has seen, the lease, and the commit of transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from obstore.store import MemoryStore
from zarr.abc.store import Store as ZarrStore

from zarr_fuse.commit.choice import commits_for, stored_format
from zarr_fuse.commit.edits import ChunkEdit, Stage
from zarr_fuse.commit.protocol import Commits, ItemLedger
from zarr_fuse.commit.readings import Readings
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.errors import (
    NodeNotFoundError,
    ReadOnlyError,
    StoreNotFoundError,
    TransactionError,
)
from zarr_fuse.merging.merge import NodeMerge
from zarr_fuse.options import Options
from zarr_fuse.schema import DatasetSchema, NodeSchema
from zarr_fuse.storage.location import Location, locate
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.adoption import foreign_documents, unconsolidated_groups
from zarr_fuse.stored.chunks import arrays_of
from zarr_fuse.stored.evolution import (
    combined,
    flatten,
    left_out,
    require_distinct_names,
    tell_of_more,
    with_notes,
)
from zarr_fuse.stored.layout import (
    Catalog,
    Document,
    Layout,
    group_document,
    is_group,
)
from zarr_fuse.stored.node_documents import essence, node_attributes
from zarr_fuse.stored.reader import ChunkReader
from zarr_fuse.undoing import undone_on_error

if TYPE_CHECKING:
    from zarr_fuse.transaction import Transaction

KEPT_BYTES = 16 * 2**20  # chunks a handle keeps of its last transaction


class Store:
    """One opened store; `schemas` holds the node schemas that were passed, by group path.

    Args:
        source: an opened zarr store to read, instead of the one that the options name.
    """

    def __init__(self, schema: NodeSchema | None, options: Options, source: ZarrStore | None = None) -> None:
        self.options = options
        self.location = locate(options) if source is None else Location("", "", options.url)
        self.schemas = flatten(schema) if schema else {}
        self.layout = Layout(self.location.name)
        raw = self.location.open(options, whole=True) if source is None else MemoryStore()
        self.objects = Objects(raw)
        self.commits: Commits = self._commits(raw) if source is None else Readings(source)
        self.reader = ChunkReader(self.commits.chunks, self.commits.layout)
        self.catalog: Catalog = {}
        self._transaction: Transaction | None = None
        self._effective: dict[str, tuple[str, DatasetSchema]] = {}
        self._new_groups: Catalog = {}
        self._left_out: dict[str, list[str]] = {}
        self._known: set[str] = set()  # nodes whose documents were compared with the last commit
        self._written: list[ChunkEdit] | None = []

    def _commits(self, raw: Any) -> Commits:  # noqa: ANN401 - obstore's union of stores
        return commits_for(self.location, self.options, raw, self.objects, self.layout)

    @property
    def ledger(self) -> ItemLedger:
        """Which item ids have been merged."""
        return self.commits.ledger

    def open(self) -> None:
        """Read the committed state; in mode `a` create missing groups and repair what a dead writer left.

        Raises:
            StoreNotFoundError: there is no store, and it may not or cannot be created.
            SchemaConflictError: the schema passed contradicts the stored one.
        """
        catalog = self.commits.read()
        if catalog is None and (self.options.mode == "r" or not self.schemas):
            raise StoreNotFoundError(f"there is no store at {self.location.url}")
        self.catalog = catalog or {}
        if self.options.mode == "r":
            return
        require_distinct_names(self.schemas, self.catalog)
        in_force = {path: self.schema_of(path) for path in self.schemas}
        self._left_out = left_out(self.schemas, in_force, self.catalog)
        tell_of_more(self._left_out, self.catalog)
        missing = {path: self._new_group(path) for path in self.schemas if path not in self.catalog}
        self.catalog = self.commits.create_groups(self.catalog, missing)
        self.catalog = self.commits.repair(self.catalog)

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
            schema = combined(
                self.schemas.get(path),
                text,
                path,
                read_only=self.options.mode == "r",
                arrays=arrays_of(self.catalog, path),
            )
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
        return any(essence(document) != essence(self.catalog.get(name)) for name, document in found.items())

    def remove(self) -> None:
        """Delete the store, its root document first, then the sidecar.

        Raises:
            StoreNotFoundError: something else lies there.
        """
        keys = self.objects.keys(self.layout.data_root)
        sidecar = self.objects.keys(self.layout.side())
        if not keys and not sidecar:
            return
        if not sidecar and stored_format(self.location, self.objects, self.layout) is None:
            raise StoreNotFoundError(f"{self.location.url} holds something, but no store: it is left alone")
        self.commits.remove()

    def rollback(self, snapshot: str) -> None:
        """Take the newest commit back."""
        self.require_writable()
        if self._transaction is not None:
            raise TransactionError("a transaction of this store handle is open")
        self.commits.rollback(snapshot)
        self.reader.clear()
        self.refresh()

    def refresh(self) -> None:
        """Read the committed state again."""
        self.catalog = self.commits.read() or self.catalog

    def require_writable(self) -> None:
        """Raise `ReadOnlyError` in mode `r`."""
        if self.options.mode == "r":
            raise ReadOnlyError(f"{self.location.url} is open in mode r")

    # The life of a transaction, in this order.

    def begin(self, transaction: Transaction, rerun: int = 0) -> None:
        """Become a writer, with the committed state at hand; `rerun` counts lost conflicts."""
        self.require_writable()
        if self._transaction is not None:
            raise TransactionError("a transaction of this store handle is open already")
        is_current, self.catalog = self.commits.begin(self.catalog, rerun)
        self._transaction = transaction
        if not is_current:
            self.reader.clear()
            self._known.clear()
        with undone_on_error(self.discard):
            missing = {path: self._new_group(path) for path in self.schemas if path not in self.catalog}
            unconsolidated = unconsolidated_groups(self.catalog)
            self._known |= unconsolidated.keys()
            self._new_groups = {**unconsolidated, **missing}
            self.catalog = {**self.catalog, **self._new_groups}
            if with_notes(self._left_out, self.catalog, ""):
                self._look_at("")

    def merge_of(self, path: str) -> NodeMerge:
        """A fresh merge of a node, inside a transaction with what other programs wrote there."""
        if self._transaction is not None:
            self._look_at(path)
        return NodeMerge(path, self.schema_of(path), self.catalog, self.reader)

    def _look_at(self, path: str) -> None:
        """Take over what another program wrote into a node, and note what the schema passed lacks there."""
        found = {} if path in self._known else foreign_documents(self, path)
        self._known.add(path)
        found |= with_notes(self._left_out, {**self.catalog, **found}, path)
        self.catalog = {**self.catalog, **found}
        self._new_groups = {**self._new_groups, **found}

    def missing_groups(self) -> Catalog:
        """Documents that the committed metadata does not name yet, or not as they are."""
        return self._new_groups

    def stage(self, edits: Iterable[ChunkEdit], documents: Catalog) -> Stage:
        """Write the chunks of the running transaction, whose metadata will be `documents`."""
        self._written = []
        return self.commits.stage(self._noted(edits), documents)

    def commit(self, record: CommitRecord, stage: Stage) -> None:
        """Commit what was staged, and keep what a next transaction will need."""
        self.catalog = self.commits.commit(record, stage, self.catalog)
        self._keep_written()
        self._transaction = None

    def discard(self) -> None:
        """End a transaction without commit."""
        self._transaction = None
        self.reader.clear()
        self.commits.discard()

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

    def _new_group(self, path: str) -> Document:
        return group_document(node_attributes(self.schema_of(path), {}, empty=True))
