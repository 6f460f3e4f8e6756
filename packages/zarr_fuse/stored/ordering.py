"""Axes of existing stores that should ascend and do not: where each label belongs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.stored.chunks import Index, StoredArray

Positions = NDArray[np.int64]
NOWHERE = -1


@dataclass(frozen=True)
class Order:
    """The stored positions of every label in ascending order of labels.

    Attributes:
        layers: each of shape (labels,); the first holds the last position of each label, the next the one
            before it, `NOWHERE` where there is none.
    """

    layers: tuple[Positions, ...]

    @property
    def size(self) -> int:
        """Number of different labels."""
        return len(self.layers[0])


def order_of(labels: NDArray[Any]) -> Order | None:
    """Where stored labels belong, None where each is above the one before it."""
    if len(labels) < 2 or bool(np.all(labels[1:] > labels[:-1])):
        return None
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    places = np.argsort(codes, kind="stable")
    ends = np.cumsum(counts)
    layers = [
        np.where(depth < counts, places[np.maximum(ends - 1 - depth, 0)], NOWHERE)
        for depth in range(counts.max())
    ]
    return Order(tuple(layers))


def gathered(
    array: StoredArray,
    axes: Sequence[Order | tuple[int, int]],
    na: Any,  # noqa: ANN401 - a scalar of the array's type
    read: Callable[[Index], NDArray[Any]],
) -> NDArray[Any]:
    """Cells of an array with its axes in order; of equal labels the later position's values come first.

    Args:
        axes: for each axis its order, or the bounds of the positions wanted.
        na: a missing cell, which an earlier position may fill.
        read: the cells of a stored chunk.
    """
    choices = [axis.layers if isinstance(axis, Order) else (np.arange(*axis),) for axis in axes]
    first, *others = itertools.product(*choices)
    cells = _at(array, first, na, read)
    for places in others:
        missing = np.isnan(cells) if cells.dtype.kind in "fc" and np.isnan(na) else cells == na
        cells = np.where(missing, _at(array, places, na, read), cells)
    return cells


def _at(
    array: StoredArray,
    places: Sequence[Positions],
    na: Any,  # noqa: ANN401
    read: Callable[[Index], NDArray[Any]],
) -> NDArray[Any]:
    """The cells at the outer product of positions in any order, `na` at those that are nowhere."""
    steps = array.chunk_shape
    cells = np.full([len(place) for place in places], na, dtype=array.dtype)
    chunks = [np.unique(place[place >= 0] // step) for place, step in zip(places, steps, strict=True)]
    for index in itertools.product(*(chunk.tolist() for chunk in chunks)):
        inside = [
            np.flatnonzero((place >= 0) & (place // step == one))
            for place, step, one in zip(places, steps, index, strict=True)
        ]
        local = [
            place[part] - one * step
            for place, part, one, step in zip(places, inside, index, steps, strict=True)
        ]
        cells[np.ix_(*inside)] = read(index)[np.ix_(*local)]
    return cells
