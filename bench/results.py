"""From the measurements of one case to the numbers that are shown, and whether they meet their targets."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.cases import Case, Side

Rounds = Mapping[Side, list[dict[str, Any]]]  # side -> the measurement of each round


@dataclass(frozen=True)
class Result:
    """One case.

    Attributes:
        seconds: by side; the best round. Of several updates of one handle the median after the first.
        cpu_s: processor time by side; the best round.
        fsync_s: what the engine spent in `os.fsync` in its best round.
        memory: growth of the engine's peak memory over the frame's size, None where frames are small.
    """

    case: Case
    seconds: dict[Side, float]
    cpu_s: dict[Side, float]
    fsync_s: float
    requests: int
    chunks: int
    memory: float | None
    build_s: float
    disk_bytes: int

    @property
    def floor(self) -> float:
        """How many times longer than the floor the engine takes."""
        return self.seconds["engine"] / self.seconds[self.case.sides[1]]

    def compared(self, side: Side) -> float | None:
        """How many times longer than the engine another side takes, None where it was not measured."""
        return self.seconds[side] / self.seconds["engine"] if side in self.seconds else None

    def verdicts(self) -> dict[str, tuple[float, float]]:
        """Measured value and target, by what was measured."""
        found = {
            "seconds": self.seconds["engine"],
            "floor": self.floor,
            "requests": float(self.requests),
            "memory": self.memory or 0.0,
        }
        return {name: (found[name], limit) for name, limit in self.case.targets.items()}


def result(case: Case, rounds: Rounds, build_s: float, disk_bytes: int) -> Result:
    """Reduce all rounds of a case."""
    typical = {side: [_typical(one["seconds"]) for one in found] for side, found in rounds.items()}
    engine = rounds["engine"]
    best = min(range(len(engine)), key=lambda number: typical["engine"][number])
    peak, frame = min(one["peak_bytes"] for one in engine), engine[0]["frame_bytes"]
    return Result(
        case=case,
        seconds={side: min(found) for side, found in typical.items()},
        cpu_s={side: min(_typical(one["cpu_s"]) for one in found) for side, found in rounds.items()},
        fsync_s=_typical(engine[best]["fsync_s"]),
        requests=int(_typical(engine[best]["requests"])),
        chunks=int(_typical(engine[best]["chunks"])),
        memory=peak / frame if frame > 2**24 else None,
        build_s=build_s,
        disk_bytes=disk_bytes,
    )


def _typical(values: list[float]) -> float:
    """The only value, or the median of all but the first."""
    return values[0] if len(values) == 1 else statistics.median(values[1:])
