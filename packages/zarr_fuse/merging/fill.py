"""Cells of filled-in labels: interpolated between the neighbouring labels, wherever both hold a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.merging.cells import Cells, last_of_each
from zarr_fuse.merging.pending import Found
from zarr_fuse.values.texts import Values, joined

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Bridge:
    """Labels filled in along one axis, by their ids.

    Attributes:
        lower: the neighbours below the gaps, shape (gaps,).
        upper: the neighbours above, ascending: labels that are new with this frame.
        ids: the labels filled in, shape (labels,).
        gap: the gap each lies in, ascending.
        weight: where in the gap, from 0 at the lower neighbour to 1 at the upper one.
    """

    lower: Ids
    upper: Ids
    ids: Ids
    gap: Ids
    weight: NDArray[np.float64]


def bridged(
    cells: Cells, axis: int, bridge: Bridge, sizes: Sequence[int], look_up: Callable[[list[Ids]], Found]
) -> Cells:
    """The cells of one variable at filled-in labels.

    Args:
        cells: what the frame brings for the variable, by ids.
        axis: the place of the filled-in axis among the variable's.
        sizes: bounds of the ids on each axis.
        look_up: finds the values of cells that the node holds or the frame brings.
    """
    above, high = _distinct(cells, np.isin(cells.positions[axis], bridge.upper), sizes)
    gap = np.searchsorted(bridge.upper, above[axis])
    below = [bridge.lower[gap] if place == axis else ids for place, ids in enumerate(above)]
    known, low = look_up(below)
    high, gap, above = high[known], gap[known], [ids[known] for ids in above]
    first = np.searchsorted(bridge.gap, gap)
    count = np.searchsorted(bridge.gap, gap, side="right") - first
    cell = np.repeat(np.arange(len(gap)), count)
    label = np.arange(len(cell)) + np.repeat(first + count - np.cumsum(count), count)
    places = [bridge.ids[label] if place == axis else ids[cell] for place, ids in enumerate(above)]
    return Cells(places, _between(low, high, cell, bridge.weight[label]))


def _distinct(cells: Cells, chosen: NDArray[np.bool_], sizes: Sequence[int]) -> tuple[list[Ids], Values]:
    keys = np.ravel_multi_index([ids[chosen] for ids in cells.positions], sizes)
    keys, values = last_of_each(keys, cells.values[chosen])
    return [ids.astype(np.int64) for ids in np.unravel_index(keys, sizes)], values


def _between(low: Values, high: Values, cell: Ids, weight: NDArray[np.float64]) -> Values:
    """Linear for floats, the nearer one (the lower if both are) for everything else."""
    if low.dtype.kind != "f":
        return joined([low, high])[cell + np.where(weight > 0.5, len(low), 0)]
    start, end = (np.asarray(side)[cell].astype(np.float64) for side in (low, high))
    with np.errstate(invalid="ignore", over="ignore"):
        between = start + (end - start) * weight
        return np.where(start == end, start, between).astype(low.dtype)
