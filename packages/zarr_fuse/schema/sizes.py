"""How long chunks and shards are: as the schema says, unless one would be too large."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from zarr_fuse.schema.dataset import DatasetSchema
from zarr_fuse.schema.variable import Variable

MAX_CHUNK_BYTES = 64 * 2**20
MAX_SHARD_BYTES = 512 * 2**20  # a shard is held as a whole while it is written

Lengths = tuple[int, ...]


def chunk_lengths(variable: Variable, coords: Iterable[str], schema: DatasetSchema) -> Lengths:
    """Cells of a chunk on each axis, the longest halved until a chunk fits 64 MiB."""
    return _halved([schema.COORDS[name].chunk_size for name in coords], variable, MAX_CHUNK_BYTES)


def shard_lengths(variable: Variable, coords: Iterable[str], schema: DatasetSchema) -> Lengths | None:
    """Cells of a shard on each axis, whole chunks, at most 512 MiB; None for an array without shards."""
    names = list(coords)
    sizes = [schema.COORDS[name].shard_size for name in names]
    if not any(sizes):
        return None
    chunks = chunk_lengths(variable, names, schema)
    counts = [max(1, (size or chunk) // chunk) for size, chunk in zip(sizes, chunks, strict=True)]
    most = MAX_SHARD_BYTES // math.prod(chunks)
    counts = list(_halved(counts, variable, most))
    return tuple(count * chunk for count, chunk in zip(counts, chunks, strict=True))


def cut(variable: Variable, coords: Sequence[str], schema: DatasetSchema) -> list[str]:
    """What of a variable would be too large, as sentences."""
    found, chunks = [], chunk_lengths(variable, coords, schema)
    sizes = [schema.COORDS[name].chunk_size for name in coords]
    if list(chunks) != sizes:
        found.append(f"a chunk of {sizes} cells is over 64 MiB, {list(chunks)} is used")
    shards = shard_lengths(variable, coords, schema)
    wanted = [schema.COORDS[name].shard_size for name in coords]
    pairs = zip(wanted, shards or (), chunks, strict=False)
    if any(size and length < size - size % chunk for size, length, chunk in pairs):
        found.append(f"a shard of {wanted} cells is over 512 MiB, {list(shards or ())} is used")
    return found


def _halved(lengths: Sequence[int], variable: Variable, most_bytes: int) -> Lengths:
    """The lengths, the longest halved until their cells fit."""
    found = list(lengths)
    while math.prod(found) * variable.storage_dtype.itemsize > most_bytes and max(found, default=1) > 1:
        longest = found.index(max(found))
        found[longest] = -(-found[longest] // 2)
    return tuple(found)
