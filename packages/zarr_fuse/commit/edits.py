"""Chunk edits: what a merge wants stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from zarr_fuse.stored.chunks import Index, StoredArray


@dataclass(frozen=True)
class ChunkEdit:
    """A chunk to be stored: `cells` of shape `array.chunk_shape`, None where all of them are fill now.

    `in_place`: no committed cell changes, so the final key may be written before the commit.
    """

    array: StoredArray
    index: Index
    cells: NDArray[Any] | None
    in_place: bool


@dataclass
class Stage:
    """What was written ahead of a commit.

    Attributes:
        staged: pairs (staged key, final key) to be copied by the commit.
        deleted: final keys to be deleted by the commit.
        keys: everything to be removed after it.
        chunks: number of chunks that were edited.
    """

    staged: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    chunks: int = 0
