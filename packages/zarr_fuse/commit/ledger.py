"""The ledger: which item ids have been merged.

The newest commit records name their ids themselves. Older records are folded into segments: sorted 128-bit
digests of ids, one immutable object for a range of transaction numbers. A new segment swallows older ones of
at most twice its size, so that the number of segments grows with the logarithm of the history; a look-up
reads a window of each, not the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zarr_fuse.commit.records import CommitRecord
from zarr_fuse.commit.segments import digest, digests_of, hits_in, in_order
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout

COMPACT_AT = 32  # records there may be before they are folded
KEEP_RECORDS = (
    8  # newest records that stay, so that a writer paused for a while still meets its closing record
)


@dataclass(frozen=True)
class Sidecar:
    """What lies in the sidecar: record numbers, numbers with a stage, ledger segments as (low, high, key)."""

    records: tuple[int, ...]
    stages: dict[int, list[str]]
    segments: tuple[tuple[int, int, str], ...]

    @property
    def folded(self) -> int:
        """Highest transaction number inside a segment."""
        return max((high for _, high, _ in self.segments), default=0)


def read_sidecar(objects: Objects, layout: Layout) -> Sidecar:
    """List transactions and segments; segments covered by another (an interrupted merge) are left out."""
    records, stages, segments = [], dict[int, list[str]](), []
    for key in objects.keys(layout.side("txn")):
        name = key.removeprefix(layout.side("txn") + "/")
        if name.endswith(".json") and "/" not in name:
            records.append(int(name[:8]))
        else:
            stages.setdefault(int(name[:8]), []).append(key)
    for key in objects.keys(layout.side("ledger")):
        low, high = key.rpartition("/")[2].split("-")
        segments.append((int(low), int(high), key))
    outer = [one for one in segments if not any(_covers(other, one) for other in segments)]
    return Sidecar(tuple(sorted(records)), stages, tuple(sorted(outer)))


class Ledger:
    """Item ids of committed transactions; needs no lease to be read."""

    def __init__(self, objects: Objects, layout: Layout) -> None:
        self._objects = objects
        self._layout = layout
        self._ids: dict[int, tuple[str, ...]] = {}  # ids of records that were read; records never change

    def contains(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the given ids whose transaction has committed."""
        wanted = {digest(item_id): item_id for item_id in item_ids}
        if not wanted:
            return set()
        while True:
            found = self._search(wanted)
            if found is not None:
                return found

    def learn(self, record: CommitRecord) -> None:
        """Remember the ids of a record that this handle wrote or read."""
        self._ids[record.number] = tuple(record.item_ids)

    def compact(self) -> None:
        """Fold old records into segments; to be called under the lease."""
        sidecar = read_sidecar(self._objects, self._layout)
        if len(sidecar.records) < COMPACT_AT:
            return
        old = sidecar.records[:-KEEP_RECORDS]
        fresh = [number for number in old if number > sidecar.folded]
        if fresh:
            self._fold(sidecar, fresh)
        self._objects.delete([self._layout.record(number) for number in old])
        for number in old:
            self._ids.pop(number, None)

    def _fold(self, sidecar: Sidecar, fresh: list[int]) -> None:
        self._read(fresh)
        digests = in_order(digest(item_id) for number in fresh for item_id in self._ids[number])
        low, swallowed = fresh[0], list[str]()
        for start, _, key in reversed(sidecar.segments):
            data = self._objects.get(key) or b""
            if len(data) > 2 * digests.nbytes:
                break
            digests = in_order([*digests.tolist(), *digests_of(data).tolist()])
            low, swallowed = start, [*swallowed, key]
        self._objects.put(self._layout.segment(low, fresh[-1]), digests.tobytes(), durable=True)
        self._objects.delete(swallowed)

    def _search(self, wanted: dict[bytes, str]) -> set[str] | None:
        sidecar = read_sidecar(self._objects, self._layout)
        recent = [number for number in sidecar.records if number > sidecar.folded]
        if not self._read(recent):
            return None  # compacted between the listing and the reading
        merged = {item_id for number in recent for item_id in self._ids[number]}
        found = {item_id for item_id in wanted.values() if item_id in merged}
        for _, _, key in sidecar.segments:
            missing = [value for value, item_id in wanted.items() if item_id not in found]
            hits = hits_in(self._objects, key, missing)
            if hits is None:
                return None
            found |= {wanted[value] for value in hits}
        return found

    def _read(self, numbers: Sequence[int]) -> bool:
        unknown = [number for number in numbers if number not in self._ids]
        for data in self._objects.get_many([self._layout.record(number) for number in unknown]):
            if data is None:
                return False
            self.learn(CommitRecord.decode(data))
        return True


def _covers(outer: tuple[int, int, str], inner: tuple[int, int, str]) -> bool:
    return outer != inner and outer[0] <= inner[0] and inner[1] <= outer[1]
