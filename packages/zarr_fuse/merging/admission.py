"""Which rows an axis admits, by its `step_limits`, and which labels it fills in between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.incoming.rows import Rows
from zarr_fuse.merging.axes import Axis, SortedAxis
from zarr_fuse.merging.fill import Bridge
from zarr_fuse.merging.steps import Gaps, Labels, Steps
from zarr_fuse.schema import Coord
from zarr_fuse.values.texts import distinct

Mask = NDArray[np.bool_]

FILL_LIMIT = 1_000_000  # labels one frame may fill in: a wrong year must not take all memory


def closed(rows: Rows, axes: Mapping[str, Axis]) -> Mask:
    """Rows to drop, and told so, because an axis takes no new label there.

    Args:
        axes: those that hold labels already, by coordinate.
    """
    drop = np.zeros(len(rows), dtype=bool)
    for coord, axis in _of(rows, axes):
        if coord.step_limits.no_new:
            keys = rows.keys(coord)
            unknown = ~axis.known(keys)
            rows.reject("no_new_label", coord, unknown, keys[0], f"{coord.name} takes no new labels")
            drop |= unknown
    for coord, axis, _, last in _limited(rows, axes):
        column = np.asarray(rows.keys(coord)[0])
        late = ~axis.known([column]) & (column < last)
        rows.reject(
            "late_label", coord, late, column, f"before the last label of {coord.name}, and not stored"
        )
        drop |= late
    return drop


def spaced(rows: Rows, axes: Mapping[str, Axis]) -> Rows:
    """The rows whose new labels are far enough from the one before; the others are told so."""
    for coord, _, steps, last in _limited(rows, axes):
        column = np.asarray(rows.keys(coord)[0])
        labels, place = distinct(column)
        above = labels > last
        bad = np.zeros(len(labels), dtype=bool)
        bad[above] = steps.too_short(last, labels[above])
        rows.reject("step_too_short", coord, bad[place], column, _too_close(coord))
        rows = rows.without(bad[place])
    return rows


def gaps_to_fill(rows: Rows, axes: Mapping[str, Axis]) -> dict[str, Gaps]:
    """What is to be filled in along each axis before these rows.

    Raises:
        UpdateRefusedError: more labels than anybody can have meant.
    """
    found = {}
    for coord, _, steps, last in _limited(rows, axes):
        labels, _ = distinct(rows.keys(coord)[0])
        gaps = steps.gaps(last, labels[labels > last])
        if gaps.missing > FILL_LIMIT:
            reason = f"{gaps.missing} labels would have to be filled in, more than {FILL_LIMIT}"
            raise UpdateRefusedError([f"{coord.name}: {reason}"])
        if gaps.missing:
            found[coord.name] = gaps
    return found


def bridge(axis: Axis, coord: Coord, gaps: Gaps) -> Bridge:
    """Add the labels that fill the gaps, whose neighbours are on the axis already."""
    steps = Steps.of(coord)
    if steps is None:
        raise ValueError(f"{coord.name} has no step limits")
    filled = steps.fill(gaps)
    lower, upper, ids = (axis.resolve([labels]) for labels in (gaps.lower, gaps.upper, filled.labels))
    return Bridge(lower, upper, ids, filled.gap, filled.weight)


def _of(rows: Rows, axes: Mapping[str, Axis]) -> Iterator[tuple[Coord, Axis]]:
    if len(rows):
        yield from ((rows.schema.COORDS[name], axis) for name, axis in axes.items())


def _limited(rows: Rows, axes: Mapping[str, Axis]) -> Iterator[tuple[Coord, Axis, Steps, Labels]]:
    """Axes whose steps are limited, with the limits and the last label."""
    for coord, axis in _of(rows, axes):
        steps = Steps.of(coord)
        if steps is not None and isinstance(axis, SortedAxis) and axis.last is not None:
            yield coord, axis, steps, axis.last


def _too_close(coord: Coord) -> str:
    limits = coord.step_limits
    return f"less than {limits.start} {limits.unit} after the label before"
