"""`step_limits`: which labels above the last one an axis takes, and which it fills in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.schema import Coord
from zarr_fuse.units import DateTimeUnit

Labels = NDArray[Any]
Mask = NDArray[np.bool_]

ROUNDING_ULPS = 4  # a decimal step such as 0.1 is not lost to the rounding of its labels
LARGEST = 2**64 - 1  # further than whole labels can be apart
UNCOUNTED = 2**52  # more labels than anybody would fill in


@dataclass(frozen=True)
class Gaps:
    """Neighbouring labels that are too far apart, ascending; `parts` is in how many steps to bridge each.

    All arrays have the shape (gaps,).
    """

    lower: Labels
    upper: Labels
    parts: NDArray[np.int64]

    @property
    def missing(self) -> int:
        """Number of labels to fill in."""
        return int((self.parts - 1).sum(dtype=np.float64))


@dataclass(frozen=True)
class Filled:
    """Labels to fill in, ascending.

    Attributes:
        labels: shape (labels,), in the type of the axis.
        gap: the gap each lies in.
        weight: where in the gap, from 0 at the lower neighbour to 1 at the upper one.
    """

    labels: Labels
    gap: NDArray[np.int64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """The shortest and the longest step of one axis; `grid` is the distance that whole labels are floored to.

    On an axis of whole numbers or times both bounds are whole.
    """

    shortest: float
    longest: float
    grid: int = 1

    @classmethod
    def of(cls, coord: Coord) -> Steps | None:
        """The limits of a coordinate; None where it has none."""
        bounds = coord.step_bounds
        if bounds is None or coord.type is None or bounds == (-math.inf, math.inf):
            return None
        shortest, longest = bounds
        if coord.type.kind == "f":
            return cls(shortest, longest)
        grid = coord.unit.multiple if isinstance(coord.unit, DateTimeUnit) else 1
        shortest = -_floor(-shortest)
        return cls(shortest, max(1, _floor(longest / grid)) * grid, grid)

    def too_short(self, last: Labels, labels: Labels) -> Mask:
        """Which of the ascending `labels` above `last` (shape (1,)) are too close to the one taken before."""
        if self.shortest <= 0 or not len(labels):
            return np.zeros(len(labels), dtype=bool)
        ladder = np.concatenate([last, labels])
        places = _places(ladder)
        following = np.searchsorted(places, self._next(places, ladder))
        return ~_chain(np.maximum(following, np.arange(1, len(places) + 1)))[1:]

    def gaps(self, last: Labels, labels: Labels) -> Gaps:
        """The steps above the longest one, walking up from `last` (shape (1,)) through ascending `labels`."""
        ladder = np.concatenate([last, labels])
        width = np.diff(_places(ladder))
        longest = self.longest
        if width.dtype.kind == "f":
            width = width - _rounding(ladder[1:], ladder[:-1])
        else:
            longest = min(longest, LARGEST)
        wide = np.flatnonzero(width > longest)
        step = width.dtype.type(longest)
        parts = width[wide] // step + (width[wide] % step > 0)
        return Gaps(ladder[wide], ladder[wide + 1], np.minimum(parts, UNCOUNTED).astype(np.int64))

    def _next(self, places: NDArray[Any], ladder: Labels) -> NDArray[Any]:
        """The lowest place that is far enough from each place."""
        if places.dtype.kind == "f":
            return places + self.shortest - _rounding(ladder, np.full(1, self.shortest))
        step = np.uint64(min(self.shortest, LARGEST))
        beyond: NDArray[Any] = np.minimum(places, np.uint64(LARGEST) - step) + step
        return beyond

    def fill(self, gaps: Gaps) -> Filled:
        """The labels that bridge the gaps, without those that rounding would make equal to a neighbour."""
        gap = np.repeat(np.arange(len(gaps.parts)), gaps.parts - 1)
        starts = np.cumsum(gaps.parts - 1) - (gaps.parts - 1)
        number = np.arange(len(gap)) - starts[gap] + 1
        lower, upper, parts = gaps.lower[gap], gaps.upper[gap], gaps.parts[gap]
        if lower.dtype.kind == "f":
            labels = (lower + (upper - lower) * (number / parts)).astype(lower.dtype)
        else:
            labels = self._whole(lower, upper, number.astype(np.uint64), parts.astype(np.uint64))
        inside = (labels > lower) & (labels < upper)
        inside[1:] &= labels[1:] > labels[:-1]
        labels, gap, lower, upper = labels[inside], gap[inside], lower[inside], upper[inside]
        return Filled(labels, gap, _distance(lower, labels) / _distance(lower, upper))

    def _whole(
        self, lower: Labels, upper: Labels, number: NDArray[np.uint64], parts: NDArray[np.uint64]
    ) -> Labels:
        """Floored labels; no product is above the distance of the neighbours or the square of `parts`."""
        width = upper.astype(np.uint64) - lower.astype(np.uint64)
        offset = width // parts * number + width % parts * number // parts
        labels = (lower.astype(np.uint64) + offset).astype(lower.dtype)
        return labels - labels % labels.dtype.type(self.grid) if self.grid > 1 else labels


def _places(ladder: Labels) -> NDArray[Any]:
    """Ascending labels on a scale that takes every difference: float64, or whole numbers from 0 on."""
    if ladder.dtype.kind == "f":
        return ladder.astype(np.float64)
    whole = ladder.astype(np.uint64)
    return whole - whole[:1]


def _rounding(labels: Labels, others: Labels) -> NDArray[np.float64]:
    """How far the rounding of two labels may falsify their distance."""
    ulp = ROUNDING_ULPS * float(np.finfo(labels.dtype).eps)
    return ulp * np.maximum(np.abs(labels), np.abs(others)).astype(np.float64)


def _distance(lower: Labels, upper: Labels) -> NDArray[np.float64]:
    if lower.dtype.kind == "f":
        return upper.astype(np.float64) - lower.astype(np.float64)
    return (upper.astype(np.uint64) - lower.astype(np.uint64)).astype(np.float64)


def _chain(following: NDArray[np.int64]) -> Mask:
    """Which places are met from place 0 on by going to `following[place]`, always a higher one; doubling."""
    end = len(following)
    met = np.zeros(end + 1, dtype=bool)
    met[0] = True
    jump = np.append(following, end)
    if np.array_equal(jump[:-1], np.arange(1, end + 1)):
        return np.ones(end, dtype=bool)
    while jump[0] < end:
        met[jump[np.flatnonzero(met)]] = True
        jump = jump[jump]
    return met[:-1]


def _floor(bound: float) -> float:
    """The bound in whole units, not lost to the rounding of a conversion."""
    if math.isinf(bound):
        return bound
    near = round(bound)
    return near if math.isclose(bound, near, rel_tol=1e-14, abs_tol=1e-9) else math.floor(bound)
