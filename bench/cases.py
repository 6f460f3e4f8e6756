"""The measured cases: what is stored before, what is merged, and what it may cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["append", "new", "overlap", "repeat", "insert", "together"]
Side = Literal["engine", "gathered", "zarr", "xarray", "one frame"]

CHUNK = 1024
LATE_IN_CHUNK = 24  # the last chunk of each history lacks so many times


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        stored: times stored before the measured update; it overwrites or repeats the first of them.
        sparse: the history holds one place, with values in every 20th chunk of times only, but for its end.
        times, places: what a measured frame spans.
        updates: frames, measured one by one; of several the first does not count.
        sides: what is compared; the second is the floor.
        targets: upper bounds: `seconds`, `floor` (× the floor), storage `requests`, `memory` (× the frame).
        rounds: how often the engine and its floor are repeated; the best round counts.
    """

    name: str
    title: str
    kind: Kind
    stored: int
    times: int = 1
    places: int = 20
    updates: int = 1
    sparse: bool = False
    time_chunk: int = CHUNK
    place_chunk: int = 32
    rounds: int = 3
    sides: tuple[Side, ...] = ("engine", "zarr", "xarray")
    targets: dict[str, float] = field(default_factory=dict)

    @property
    def history(self) -> str:
        """What is stored before, as a name: cases with the same one share it."""
        kind = "sparse" if self.sparse else "dense"
        return f"{kind}-{self.stored}x{self.places}-{self.time_chunk}x{self.place_chunk}"

    @property
    def turns(self) -> list[tuple[int, Side]]:
        """Rounds and sides in the order in which they are measured; xarray in the first round only."""
        rounds = range(self.rounds)
        return [
            (number, side) for number in rounds for side in self.sides if not (number and side == "xarray")
        ]


def nearly_full(times: int) -> int:
    """The next number of times that leaves 24 of the last chunk free, so that histories end alike."""
    return -(-(times + LATE_IN_CHUNK) // CHUNK) * CHUNK - LATE_IN_CHUNK


def cases(*, quick: bool) -> list[Case]:
    """All cases; `quick` ones are smaller, run once, and have no targets but ratios."""
    if not quick:
        return [*_small(100_000, 10_000_000), *_million(50_000), *_others(1000, 100_000)]
    found = [*_small(10_000, 1_000_000), *_million(5_000), *_others(200, 20_000)]
    return [_quick(case) for case in found if case.name != "small-100k"]


def _small(many: int, most: int) -> Iterator[Case]:
    for name, times, sparse in (
        ("small-1k", 1_000, False),
        ("small-100k", many, False),
        ("small-10M", most, True),
    ):
        stored = nearly_full(times)
        yield Case(
            name,
            f"1 time × 20 places after {stored:,} times",
            "append",
            stored=stored,
            updates=21,
            sparse=sparse,
            sides=("engine", "gathered", "zarr", "xarray"),
            targets={"seconds": 0.02, "floor": 3.0, "requests": 45},
        )


def _million(times: int) -> Iterator[Case]:
    rows = f"{times * 20:,} rows"
    first: dict[str, float] = {"seconds": 1.5, "memory": 3.0}
    again: dict[str, float] = {"seconds": 2.0, "floor": 2.5, "memory": 3.0}
    repeated: dict[str, float] = {"seconds": 2.0, "memory": 3.0}
    yield Case("million-new", f"{rows}, first write", "new", 0, times, targets=first)
    yield Case("million-overlap", f"{rows}, other values", "overlap", times, times, targets=again)
    yield Case("million-repeat", f"{rows}, the same again", "repeat", times, times, targets=repeated)


def _others(frames: int, history: int) -> Iterator[Case]:
    yield Case(
        "frames",
        f"{frames} frames, one transaction",
        "together",
        stored=1_000,
        updates=frames,
        sides=("engine", "one frame", "zarr"),
        targets={"floor": 2.0},
    )
    stored = nearly_full(history)
    yield Case("late-row", f"late time among {stored:,}", "insert", stored=stored)
    yield Case(
        "stations",
        "1 time × 5,000 places",
        "append",
        stored=100,
        places=5_000,
        updates=9,
        time_chunk=64,
        place_chunk=1_024,
        sides=("engine", "gathered", "zarr", "xarray"),
    )


def _quick(case: Case) -> Case:
    sides = case.sides if case.name == "small-1k" else case.sides[:2]
    targets = {name: limit for name, limit in case.targets.items() if name in {"floor", "requests"}}
    return replace(case, rounds=1, sides=sides, targets=targets)
