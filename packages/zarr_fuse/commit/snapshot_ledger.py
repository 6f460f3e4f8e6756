"""The ledger of an icechunk store: the item ids in the metadata of the commits on its branch.

A look-up walks the history from the newest commit. So that it does not grow with the history, older commits
are folded into segments of the sidecar: `history/<top>-<base>` holds the digests of the ids and snapshots
after `base` up to `top`. A segment counts only where the walk meets its `top`, so a commit that was rolled
back is in no answer; and it is only a short cut, so one that is missing costs requests, never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from zarr_fuse.commit.history import Commit
from zarr_fuse.commit.segments import digest, digests_of, hits_in, in_order
from zarr_fuse.storage.objects import Objects
from zarr_fuse.stored.layout import Layout

FOLDER = "history"
START = "start"  # the base of a segment that reaches back to the first commit
COMPACT_AT = 32  # commits a look-up may walk before they are folded
KEEP = 8  # newest commits that stay out of segments, because they are the ones rolled back


@dataclass(frozen=True)
class Segment:
    """The commits after `base` up to `top`."""

    top: str
    base: str | None
    key: str


class SnapshotLedger:
    """Item ids of the commits on the branch.

    Args:
        objects: access to the sidecar.
        layout: its keys.
        tip: tells the snapshot that look-ups start from.
        ancestry: walks the history from a snapshot, newest first.
    """

    def __init__(
        self,
        objects: Objects,
        layout: Layout,
        tip: Callable[[], str],
        ancestry: Callable[[str], Iterator[Commit]],
    ) -> None:
        self._objects = objects
        self._layout = layout
        self._tip = tip
        self._ancestry = ancestry
        self._known: dict[str, Commit] = {}
        self._segments: dict[str, Segment] = {}

    def contains(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the given ids whose transaction is on the branch."""
        wanted = {digest(item_id): item_id for item_id in item_ids}
        return {wanted[value] for value in self._search(self._tip(), set(wanted))} if wanted else set()

    def has_snapshot(self, tip: str, snapshot: str) -> bool:
        """Whether a snapshot is `tip` or before it."""
        return bool(self._search(tip, {_mark(snapshot)}))

    def learn(self, commit: Commit) -> None:
        """Remember a commit that this handle made or read; commits never change."""
        self._known[commit.snapshot] = commit

    def compact(self, tip: str) -> None:
        """Fold older commits into a segment once a look-up has become long."""
        if self._depth(tip) < COMPACT_AT:
            return
        self._list()
        path = list(self._steps(tip))
        fresh = next((place for place, step in enumerate(path) if isinstance(step, Segment)), len(path))
        if fresh < COMPACT_AT:
            return
        digests, end = (
            in_order(
                value for step in path[KEEP:fresh] if isinstance(step, Commit) for value in _digests(step)
            ),
            fresh,
        )
        for step in path[fresh:]:
            values = _digests(step) if isinstance(step, Commit) else self._stored(step)
            if len(values) > 2 * len(digests):
                break
            digests, end = in_order([*digests.tolist(), *values]), end + 1
        used = {step.key for step in path[end:] if isinstance(step, Segment)}
        self._replace(path[KEEP:end], digests.tobytes(), used)

    def _replace(self, folded: Sequence[Commit | Segment], data: bytes, used: set[str]) -> None:
        top, base = _name(folded[0]), _base(folded[-1])
        segment = Segment(top, base, self._layout.side(f"{FOLDER}/{top}-{base or START}"))
        self._objects.put(segment.key, data, durable=True)
        strays = [one.key for one in self._segments.values() if one.key not in used | {segment.key}]
        self._objects.delete(strays)
        self._segments = {one.top: one for one in self._segments.values() if one.key in used}
        self._segments[top] = segment
        for step in folded:
            self._known.pop(_name(step), None)

    def _depth(self, tip: str) -> int:
        """How many commits lie between a snapshot and what is in a segment, or was never looked at."""
        depth, place = 0, tip
        while place in self._known and place not in self._segments:
            depth, place = depth + 1, self._known[place].parent or ""
        return depth

    def _stored(self, segment: Segment) -> list[bytes]:
        return list(digests_of(self._objects.get(segment.key) or b"").tolist())

    def _search(self, tip: str, wanted: set[bytes]) -> set[bytes]:
        found = set[bytes]()
        for step in self._steps(tip):
            if isinstance(step, Commit):
                found |= wanted & set(_digests(step))
            else:
                hits = hits_in(self._objects, step.key, sorted(wanted - found))
                if hits is None:  # folded into another one since it was listed
                    self._list()
                    return self._search(tip, wanted)
                found |= hits
            if found == wanted:
                break
        return found

    def _steps(self, tip: str) -> Iterator[Commit | Segment]:
        """The way from a snapshot to the first one: single commits, and segments where there are some."""
        place: str | None = tip
        walk: Iterator[Commit] | None = None
        is_listed = False
        while place is not None:
            if place in self._segments:
                step: Commit | Segment = self._segments[place]
                walk = None
            elif place in self._known:
                step, walk = self._known[place], None
            elif not is_listed:
                self._list()
                is_listed = True
                continue
            else:
                walk = walk or self._ancestry(place)
                step = next(walk)
                self.learn(step)
            yield step
            place = _base(step)

    def _list(self) -> None:
        keys = self._objects.keys(self._layout.side(FOLDER))
        self._segments = {segment.top: segment for segment in map(_parsed, keys)}


def _parsed(key: str) -> Segment:
    top, base = key.rpartition("/")[2].split("-")
    return Segment(top, None if base == START else base, key)


def _base(step: Commit | Segment) -> str | None:
    return step.parent if isinstance(step, Commit) else step.base


def _name(step: Commit | Segment) -> str:
    return step.snapshot if isinstance(step, Commit) else step.top


def _digests(commit: Commit) -> list[bytes]:
    return [_mark(commit.snapshot), *map(digest, commit.item_ids)]


def _mark(snapshot: str) -> bytes:
    return digest(f"\0snapshot/{snapshot}")
