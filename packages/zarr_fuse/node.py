"""Nodes: the public face of a store."""

from __future__ import annotations

import logging
from collections.abc import Callable, ItemsView, Iterable, Mapping
from typing import Any

import polars as pl
import xarray as xr
from numpy.typing import NDArray
from zarr.abc.store import Store as ZarrStore
from zarr.storage import StoreLike

from zarr_fuse.commit.history import Commit
from zarr_fuse.commit.protocol import ItemLedger
from zarr_fuse.errors import NodeNotFoundError
from zarr_fuse.foreign import foreign_store
from zarr_fuse.lazy import lazy_dataset, visible
from zarr_fuse.options import node_logger
from zarr_fuse.report import UpdateReport
from zarr_fuse.schema import DatasetSchema, NodeSchema
from zarr_fuse.schema.secrets import without_secrets
from zarr_fuse.store import Store
from zarr_fuse.stored.layout import children, join
from zarr_fuse.tables import long_table, with_labels
from zarr_fuse.transaction import NodeWriter, Transaction


class Node:
    """A group of a store: a dataset and further nodes below it.

    Attributes:
        group_path: "" for the root, "a/b/c" below.
        last_report: the report of this handle's latest update.
    """

    def __init__(self, store: Store, group_path: str, parent: Node | None = None) -> None:
        self._store = store
        self._children: dict[str, Node] = {}
        self.group_path = group_path
        self.parent = parent
        self.last_report: UpdateReport | None = None

    def __repr__(self) -> str:
        return f"<Node {self.group_path!r} of {self._store.location.url}>"

    @property
    def name(self) -> str:
        """Last part of the group path."""
        return self.group_path.rpartition("/")[2]

    @property
    def root(self) -> Node:
        """The node without parent."""
        return self if self.parent is None else self.parent.root

    @property
    def mode(self) -> str:
        """`a` or `r`."""
        return self._store.options.mode

    @property
    def logger(self) -> logging.Logger:
        """`zarr_fuse.<path>`."""
        return node_logger(self.group_path)

    @property
    def store(self) -> ZarrStore:
        """A read-only zarr store of the whole dataset store; with format icechunk, of its last commit."""
        self._store.refresh()
        return self._store.commits.zarr_store()

    @property
    def schema(self) -> DatasetSchema:
        """The schema in force for this node."""
        return self._store.schema_of(self.group_path)

    @property
    def children(self) -> dict[str, Node]:
        """Nodes directly below, stored ones and those of the schema; the same objects at every access."""
        prefix = f"{self.group_path}/" if self.group_path else ""
        below = [
            path.removeprefix(prefix)
            for path in self._store.paths()
            if path.startswith(prefix) and path != self.group_path
        ]
        names = sorted({name for name in below if "/" not in name})
        self._children = {
            name: self._children.get(name) or Node(self._store, join(self.group_path, name), self)
            for name in names
        }
        return dict(self._children)

    def items(self) -> ItemsView[str, Node]:
        """Names and nodes directly below."""
        return self.children.items()

    def __getitem__(self, path: str) -> Node:
        """A node below, by name or path; "" is this node.

        Raises:
            NodeNotFoundError: there is none.
        """
        node = self
        for name in filter(None, path.split("/")):
            below = node.children
            if name not in below:
                raise NodeNotFoundError(
                    f"no node {path!r} below {self.group_path!r} in {self._store.location.url}"
                )
            node = below[name]
        return node

    @property
    def dataset(self) -> xr.Dataset:
        """The node as of the last commit: fresh and lazy at every access, discrete variables as codes."""
        self._store.refresh()
        if not any(children(self._store.catalog, self.group_path, groups=False)):
            document = self._store.catalog.get(self.group_path, {})
            return xr.Dataset(attrs=visible(document.get("attributes", {})))
        commits = self._store.commits
        return lazy_dataset(commits.zarr_store(), self.group_path, consolidated=commits.consolidated)

    @property
    def decoded(self) -> xr.Dataset:
        """`dataset` with the labels of discrete variables, as lazy as it is."""
        return with_labels(self.dataset, self.schema)

    def read_df(self, names: str | Iterable[str], *sel: Any, **more: Any) -> pl.DataFrame:
        """Variables as a long table with their simple coordinates and components; missing values are null.

        Args:
            names: of the variables.
            sel: labels along axes and how to find them, as `xr.Dataset.sel` takes them.

        Raises:
            KeyError: there is no such variable or label.
        """
        return long_table(self.dataset, self.schema, names, *sel, **more)

    def update(self, frame: object, *, on_bad_rows: str | None = None) -> UpdateReport:
        """Merge a polars or pandas frame as a transaction of its own.

        Raises:
            UpdateRefusedError: the frame is refused, nothing is stored.
            ReadOnlyError: in mode `r`.
        """
        return self._update(lambda writer: writer.update(frame), on_bad_rows)

    def update_dense(
        self, arrays: Mapping[str, NDArray[Any]], *, on_bad_rows: str | None = None
    ) -> UpdateReport:
        """Merge a complete grid: name → array, coordinates included, values in the units of the schema.

        Raises:
            UpdateRefusedError: an unknown name, a missing coordinate, a repeated label, a wrong shape.
        """
        return self._update(lambda writer: writer.update_dense(arrays), on_bad_rows)

    def update_from_ds(self, ds: xr.Dataset, *, on_bad_rows: str | None = None) -> xr.Dataset:
        """Merge a dataset with all coordinates and variables of the schema, and return what of it was merged.

        Its values are in the units of the schema. Further variables over known coordinates join the stored
        schema, with a warning; other extras are left out, with a warning.

        Raises:
            UpdateRefusedError: something is missing, lies over other dimensions, or a coordinate holds NA.
        """
        self._update(lambda writer: writer.update_from_ds(ds), on_bad_rows)
        return self._known(ds)

    def merge_ds(self, ds: xr.Dataset) -> tuple[xr.Dataset, dict[str, NDArray[Any]]]:
        """Merge a dataset with any part of the variables and the coordinates these need.

        Returns:
            what of the dataset was merged, and the labels that each of its coordinates has in the store now.

        Raises:
            UpdateRefusedError: a coordinate is missing or holds NA, or something lies over other dimensions.
        """
        self._update(lambda writer: writer.merge_ds(ds), None)
        stored = self.dataset
        coords = [name for name in self.schema.COORDS if name in ds.dims and name in stored.variables]
        return self._known(ds), {name: stored[name].values for name in coords}

    def _known(self, ds: xr.Dataset) -> xr.Dataset:
        schema = self.schema
        return ds[[name for name in ds.variables if name in schema.COORDS or name in schema.VARS]]

    def _update(self, act: Callable[[NodeWriter], UpdateReport], on_bad_rows: str | None) -> UpdateReport:
        with self.transaction(on_bad_rows=on_bad_rows) as transaction:
            act(transaction[self.group_path])
        self.last_report = transaction.reports[0]
        return self.last_report

    def transaction(
        self, item_ids: Iterable[str] = (), message: str | None = None, on_bad_rows: str | None = None
    ) -> Transaction:
        """A transaction over the whole store: several frames of several nodes, committed at once.

        Args:
            item_ids: recorded in the ledger with the commit.
        """
        self._store.require_writable()
        return Transaction(self._store, item_ids, message, on_bad_rows)

    @property
    def ledger(self) -> ItemLedger:
        """Which item ids have been merged."""
        return self._store.ledger

    def history(self) -> list[Commit]:
        """The commits of the whole store, newest first.

        Format icechunk keeps all of them. Format zarr lists those whose commit record still exists: records
        are folded into the ledger a few dozen transactions later, and none can be opened or taken back.
        """
        return self._store.commits.history()

    def rollback(self, snapshot: str) -> None:
        """Take the newest commit of the store back: its cells are as before, its ids leave the ledger.

        Raises:
            SnapshotNotFoundError: the history has no such snapshot.
            TransactionError: it is not the newest, the store began with it, or the format is zarr.
            ReadOnlyError: in mode `r`.
        """
        self._store.rollback(snapshot)

    @staticmethod
    def read_store(zarr_store: StoreLike) -> Node:
        """The root of a store that the caller has opened with zarr, by its stored schema and only to read.

        Args:
            zarr_store: what `zarr.open_group` takes as a store.

        Raises:
            StoreNotFoundError: there is no group.
        """
        return Node(foreign_store(zarr_store), "")

    def export_schema(self) -> NodeSchema:
        """The schema in force of the whole tree below, without secrets."""
        public = without_secrets(self.schema.ATTRS)
        schema = DatasetSchema(ATTRS=public, COORDS=self.schema.COORDS, VARS=self.schema.VARS)
        return NodeSchema(
            ds=schema, groups={name: child.export_schema() for name, child in self.children.items()}
        )
