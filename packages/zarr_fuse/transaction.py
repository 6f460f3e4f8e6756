"""Transactions: frames of several nodes, merged under the lease and committed at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import xarray as xr
from numpy.typing import NDArray

from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.errors import AlreadyMergedError, CommitConflictError, OptionError, TransactionError
from zarr_fuse.incoming.unshared import unshared
from zarr_fuse.merging.merge import NodeMerge
from zarr_fuse.options import CHOICES
from zarr_fuse.report import UpdateReport
from zarr_fuse.stored.layout import Document
from zarr_fuse.undoing import undone_on_error

if TYPE_CHECKING:
    from zarr_fuse.store import Store

T = TypeVar("T")


class NodeWriter:
    """One node inside a transaction."""

    def __init__(self, transaction: Transaction, path: str) -> None:
        self._transaction = transaction
        self._path = path

    def update(self, frame: object, *, on_bad_rows: str | None = None) -> UpdateReport:
        """Collect the rows of a polars or pandas frame; they are stored when the transaction ends.

        Small frames are converted many at once: reading a report before the end is what takes time then.

        Raises:
            UpdateRefusedError: the frame is refused; it adds nothing and the transaction goes on.
        """
        own = self._transaction.owned(frame)
        return self._transaction.collect(self._path, on_bad_rows, lambda merge, **how: merge.add(own, **how))

    def update_dense(
        self, arrays: Mapping[str, NDArray[Any]], *, on_bad_rows: str | None = None
    ) -> UpdateReport:
        """Collect a complete grid: name → array, coordinates included, values in the units of the schema.

        Raises:
            UpdateRefusedError: an unknown name, a missing coordinate, a repeated label, a wrong shape.
        """
        own = self._transaction.owned(arrays)
        return self._transaction.collect(
            self._path, on_bad_rows, lambda merge, **how: merge.add_dense(own, **how)
        )

    def update_from_ds(self, dataset: xr.Dataset, *, on_bad_rows: str | None = None) -> UpdateReport:
        """Collect a dataset with all coordinates and variables of the schema, values in its units.

        Further variables over these coordinates join the schema, with a warning; others are left out.

        Raises:
            UpdateRefusedError: something is missing, lies over other dimensions, or a coordinate holds NA.
        """
        own = self._transaction.owned(dataset)
        return self._transaction.collect(
            self._path, on_bad_rows, lambda merge, **how: merge.add_dataset(own, **how)
        )

    def merge_ds(self, dataset: xr.Dataset, *, on_bad_rows: str | None = None) -> UpdateReport:
        """Collect a dataset with any part of the variables and the coordinates these need.

        Raises:
            UpdateRefusedError: as for `update_from_ds`, but for missing variables.
        """
        own = self._transaction.owned(dataset)
        return self._transaction.collect(
            self._path, on_bad_rows, lambda merge, **how: merge.add_dataset(own, partial=True, **how)
        )


@dataclass(frozen=True)
class _Addition:
    """What one call brought into the merge of a node, kept where the merge may have to run again."""

    path: str
    how: str
    add: Callable[..., UpdateReport]


class Transaction:
    """One `with root.transaction(...)` block; an exception that leaves the block discards everything."""

    def __init__(
        self, store: Store, item_ids: Iterable[str], message: str | None, on_bad_rows: str | None
    ) -> None:
        self._store = store
        self._item_ids = tuple(dict.fromkeys(item_ids))
        self._message = message
        self._on_bad_rows = on_bad_rows or store.options.on_bad_rows
        self._merges: dict[str, NodeMerge] = {}
        self._touched: list[str] = []
        self._additions: list[_Addition] = []
        self._active = False
        self.reports: list[UpdateReport] = []

    def __getitem__(self, path: str) -> NodeWriter:
        """The writer of a node by its group path, `""` for the root.

        Raises:
            NodeNotFoundError: neither schema nor store has it.
        """
        self._store.schema_of(path)
        return NodeWriter(self, path)

    def __enter__(self) -> Transaction:
        """Take the lease.

        Raises:
            AlreadyMergedError: some of the items are in the ledger.
            LeaseHeldError: another writer held the lease for too long.
        """
        self._requests_before = self._store.commits.requests
        self._store.begin(self)
        with undone_on_error(self._store.discard):
            self._require_new_items()
        self._active = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._active = False
        if error is not None:
            self._give_up()
            return
        with undone_on_error(self._give_up):
            self._commit()

    def collect(self, path: str, on_bad_rows: str | None, add: Callable[..., UpdateReport]) -> UpdateReport:
        """Let `add` bring rows into the merge of a node."""
        self._require_active()
        how = on_bad_rows or self._on_bad_rows
        if how not in CHOICES["ON_BAD_ROWS"]:
            raise OptionError(f"on_bad_rows is 'report' or 'fail', not {how!r}")
        self._store.commits.keep()
        addition = _Addition(path, how, add)
        report = self._run(addition)
        self.reports.append(report)
        if self._store.commits.reruns:
            self._additions.append(addition)
        return report

    def touch(self, path: str) -> None:
        """Write a node's documents even without rows."""
        self._require_active()
        self._touched.append(path)
        self._merge(path).touch()

    def owned(self, data: T) -> T:
        """The data itself, or a copy where the caller could change it before the merge runs again."""
        return unshared(data) if self._store.commits.reruns else data

    def _give_up(self) -> None:
        self._store.discard()
        for merge in self._merges.values():
            merge.close()

    def _run(self, addition: _Addition) -> UpdateReport:
        strict = self._store.options.local_logger
        return addition.add(self._merge(addition.path), on_bad_rows=addition.how, strict=strict)

    def _merge(self, path: str) -> NodeMerge:
        if path not in self._merges:
            self._merges[path] = self._store.merge_of(path)
        return self._merges[path]

    def _commit(self) -> None:
        """Commit; when another writer was first, merge again on top of what it committed."""
        reruns = self._store.commits.reruns
        for rerun in range(1, reruns + 1):
            try:
                self._commit_once()
            except CommitConflictError:
                self._run_again(rerun)
            else:
                return
        self._commit_once()

    def _run_again(self, rerun: int) -> None:
        self._merges.clear()
        self._store.discard()
        self._store.begin(self, rerun)
        self._require_new_items()
        self.reports = [self._run(addition) for addition in self._additions]
        for path in self._touched:
            self._merge(path).touch()

    def _commit_once(self) -> None:
        store = self._store
        documents: dict[str, Document] = store.missing_groups()
        for merge in self._merges.values():
            merge.settle()
            documents |= merge.documents()
        stage = store.stage((edit for merge in self._merges.values() for edit in merge.edits()), documents)
        record = CommitRecord(
            number=store.commits.number,
            nonce=secrets.token_hex(8),
            item_ids=self._item_ids,
            nodes=[path for path, merge in self._merges.items() if merge.rows],
            rows=sum(merge.rows for merge in self._merges.values()),
            message=self._message,
            staged=stage.staged,
            deleted=stage.deleted,
            documents=documents,
        )
        store.commit(record, stage)
        self._complete(stage.chunks)

    def _complete(self, chunks: int) -> None:
        requests = self._store.commits.requests - self._requests_before
        facts = {
            "chunks_written": chunks,
            "requests": requests,
            "snapshot": self._store.commits.snapshot,
        }
        self.reports = [report.completed(**facts) for report in self.reports]

    def _require_new_items(self) -> None:
        merged = self._store.ledger.contains(self._item_ids)
        if merged:
            raise AlreadyMergedError(merged)

    def _require_active(self) -> None:
        if not self._active:
            raise TransactionError("this transaction is not open: use it inside its `with` block")
