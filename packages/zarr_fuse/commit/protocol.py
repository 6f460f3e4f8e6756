"""What a store handle asks of a commit protocol; one class for each store format provides it.

| format | class | isolation |
|---|---|---|
| `zarr` | `write_ahead.WriteAhead` | one writer by its lease; overwritten cells are copied after the commit |
| `icechunk` | `snapshots.Snapshots` | any number of writers; a conflict runs the merge again |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from zarr.abc.store import Store as ZarrStore

from zarr_fuse.commit.edits import ChunkEdit, Stage
from zarr_fuse.commit.history import Commit
from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.stored.layout import Catalog, Layout


class ChunkObjects(Protocol):
    """Reads encoded chunks of the committed state."""

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The bytes under several keys, in their order."""


class ItemLedger(Protocol):
    """Item ids of committed transactions."""

    def contains(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the given ids whose transaction has committed."""


class Commits(Protocol):
    """The commit protocol of one store handle; a transaction is begin, keep …, stage, commit or discard."""

    @property
    def ledger(self) -> ItemLedger:
        """Which item ids have been merged."""

    @property
    def chunks(self) -> ChunkObjects:
        """Chunks as of the last `read` or `begin`; keys by `layout`."""

    @property
    def layout(self) -> Layout:
        """The keys inside the dataset store."""

    @property
    def number(self) -> int:
        """Number of the running transaction, where transactions have numbers."""

    @property
    def snapshot(self) -> str:
        """Name of the state after the last commit of this handle."""

    @property
    def requests(self) -> int:
        """Storage calls made so far."""

    @property
    def reruns(self) -> int:
        """How often a merge may run again because another writer has committed first."""

    @property
    def consolidated(self) -> bool:
        """Whether group documents hold the consolidated metadata below them."""

    def read(self) -> Catalog | None:
        """The documents as of the last commit, None where there is no store."""

    def create_groups(self, catalog: Catalog, missing: Catalog) -> Catalog:
        """Create the store where there is none, and groups it lacks; the committed documents after it."""

    def repair(self, catalog: Catalog) -> Catalog:
        """Repair what a dead writer left; the committed documents after it."""

    def begin(self, catalog: Catalog, rerun: int = 0) -> tuple[bool, Catalog]:
        """Become a writer; whether chunks kept from the last commit are still true, and the documents.

        Args:
            rerun: how often this merge has lost against another writer.
        """

    def keep(self) -> None:
        """Stay a writer between the calls of a transaction's user."""

    def stage(self, edits: Iterable[ChunkEdit], documents: Catalog) -> Stage:
        """Write the changed chunks; `documents` are the new ones of their arrays and groups."""

    def commit(self, record: CommitRecord, stage: Stage, catalog: Catalog) -> Catalog:
        """Make everything visible at once; the documents after it."""

    def discard(self) -> None:
        """End the transaction without commit."""

    def remove(self) -> None:
        """Delete the store, then its sidecar."""

    def history(self) -> list[Commit]:
        """Commits, newest first."""

    def rollback(self, snapshot: str) -> None:
        """Take the newest commit back."""

    def zarr_store(self) -> ZarrStore:
        """A read-only zarr store of the last state that was read."""
