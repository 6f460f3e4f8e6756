"""Segments of a ledger: sorted 128-bit digests in one immutable object, of which a look-up reads a window."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.storage.objects import Objects

DIGEST_BYTES = 16
WHOLE_BYTES = 65536  # a segment up to this size is read in one piece
WINDOW_SIGMAS = 8

Digests = NDArray[np.bytes_]


def digest(text: str) -> bytes:
    """What a segment stores of an id; never ends in a zero byte, which numpy would strip."""
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES - 1).digest() + b"\x01"


def digests_of(data: bytes) -> Digests:
    """The digests a segment holds, ascending."""
    return np.frombuffer(data, dtype=f"S{DIGEST_BYTES}")


def in_order(digests: Iterable[bytes]) -> Digests:
    """Digests as a segment stores them."""
    return np.sort(np.array(list(digests), dtype=f"S{DIGEST_BYTES}"))


def hits_in(objects: Objects, key: str, wanted: list[bytes]) -> set[bytes] | None:
    """Those of the wanted digests that a segment holds; None where the segment is gone."""
    size = objects.size(key)
    if size is None:
        return None
    count = size // DIGEST_BYTES
    margin = int(WINDOW_SIGMAS * math.sqrt(count) / 2) + 1
    if size <= WHOLE_BYTES or len(wanted) * 2 * margin > count:
        data = objects.get(key)
        return None if data is None else set(wanted) & set(digests_of(data).tolist())
    hits = set()
    for value in wanted:
        place = int.from_bytes(value, "big") * count >> (8 * DIGEST_BYTES)
        start, stop = max(0, place - margin), min(count, place + margin)
        window = objects.get_range(key, start * DIGEST_BYTES, stop * DIGEST_BYTES)
        hits |= {value} & set(digests_of(window).tolist())
    return hits
