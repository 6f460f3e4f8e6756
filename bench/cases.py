"""The measured cases: what is stored before, what is merged, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["append", "new", "overlap", "repeat", "insert", "together"]
Side = Literal["engine", "gathered", "zarr", "xarray", "one frame"]

CHUNK = 1024
LATE_IN_CHUNK = 24  # the last chunk of each history lacks so many times


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        stored: times stored before the measured update.
        sparse: the history holds one place, with values in every 20th chunk of times only, but for its end.
        times, places: what a measured frame spans.
        updates: frames, measured one by one; of several the first does not count.
        sides: what is compared; the second is the floor.
        seconds, floor, requests, memory: targets: seconds, × the floor, storage requests, × the frame.
        rounds: how often everything is repeated; the best round counts.
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
    def rows(self) -> int:
        """Rows of all measured frames."""
        return self.times * self.places * (self.updates if self.kind == "together" else 1)


def nearly_full(times: int) -> int:
    """The next number of times that leaves 24 of the last chunk free, so that histories end alike."""
    return -(-(times + LATE_IN_CHUNK) // CHUNK) * CHUNK - LATE_IN_CHUNK


def cases(*, quick: bool) -> list[Case]:
    """All cases; `quick` ones are smaller and run once."""
    rounds = 1 if quick else 3
    million = 5_000 if quick else 50_000
    frames = 200 if quick else 1000
    history = nearly_full(20_000 if quick else 100_000)
    whole = {"kind": "new", "stored": 0, "times": million, "rounds": rounds}
    memory = {"memory": 3.0}
    rows = f"{million * 20:,} rows"
    return [
        _small("small-1k", 1_000, rounds),
        _small("small-100k", history, rounds),
        _small("small-10M", 1_000_000 if quick else 10_000_000, rounds, sparse=True),
        Case("million-new", f"{rows}, first write", **whole, targets={"seconds": 1.5} | memory),
        Case(
            "million-overlap",
            f"{rows}, other values",
            **whole | {"kind": "overlap"},
            targets={"seconds": 2.0, "floor": 2.5} | memory,
        ),
        Case("million-repeat", f"{rows}, the same again", **whole | {"kind": "repeat"}, targets=memory),
        Case(
            "frames",
            f"{frames} frames, one transaction",
            "together",
            stored=1_000,
            updates=frames,
            rounds=rounds,
            sides=("engine", "one frame", "zarr"),
            targets={"floor": 2.0},
        ),
        Case("late-row", f"late time among {history:,}", "insert", stored=history, rounds=rounds),
        Case(
            "stations",
            "1 time × 5,000 places",
            "append",
            stored=100,
            places=5_000,
            updates=9,
            time_chunk=64,
            place_chunk=1_024,
            rounds=rounds,
            sides=("engine", "gathered", "zarr", "xarray"),
        ),
    ]


def _small(name: str, stored: int, rounds: int, *, sparse: bool = False) -> Case:
    stored = nearly_full(stored)
    return Case(
        name,
        f"1 time × 20 places after {stored:,} times",
        "append",
        stored=stored,
        updates=21,
        sparse=sparse,
        rounds=rounds,
        sides=("engine", "gathered", "zarr", "xarray"),
        targets={"seconds": 0.02, "floor": 3.0, "requests": 45},
    )
