"""Commit records: one object a transaction, whose creation is the commit.

`txn/<n>.json` holds what the transaction still has to do to the store (`staged`, `deleted`, `documents`) and
whose items it contains. A *closing* record takes the number of a writer that died, so that it cannot commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from zarr_fuse.stored.layout import Document


@dataclass(frozen=True)
class CommitRecord:
    """A transaction as committed.

    Attributes:
        staged: pairs of keys, from the stage to the final place.
        deleted: final keys whose chunk holds nothing but fill values now.
        documents: changed metadata documents by path, not consolidated.
    """

    number: int
    nonce: str
    closed: bool = False
    item_ids: Sequence[str] = ()
    nodes: Sequence[str] = ()
    rows: int = 0
    message: str | None = None
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    staged: Sequence[Sequence[str]] = ()
    deleted: Sequence[str] = ()
    documents: dict[str, Document] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The record as JSON."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    @staticmethod
    def decode(data: bytes) -> CommitRecord:
        """Read what `encode` made; keys of a later release are ignored."""
        found: dict[str, Any] = json.loads(data)
        return CommitRecord(
            **{key: value for key, value in found.items() if key in CommitRecord.__dataclass_fields__}
        )
