"""Building, through the engine, what is stored before a measured update."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from bench.cases import Case
from bench.survey import NODE, Grid, grid, schema, without_values
from zarr_fuse import Node, open_store

STORE = "survey.zarr"
FRAME = "frame.arrow"
ROWS_AT_ONCE = 1_000_000
VALUES_IN_EACH = 20  # of so many chunks one holds values, where a history is sparse


def build(case: Case, folder: Path) -> None:
    """Write the history of a case into `folder`.

    Nothing is flushed to the disk: that would take most of the time and change no byte.
    """
    os.fsync = lambda fd: None  # noqa: ARG005
    for part in _parts(case):
        opened(case, folder)[NODE].update(part.frame())


def write_frame(case: Case, folder: Path) -> None:
    """Write the frame to be merged into `folder`, if it is only one."""
    if case.updates == 1:
        measured(case).frame().write_ipc(folder / FRAME)


def opened(case: Case, folder: Path) -> Node:
    """A new handle of the store in `folder`."""
    return open_store(
        schema(case.time_chunk, case.place_chunk), STORE_URL=f"file://{(folder / STORE).absolute()}"
    )


def measured(case: Case, number: int = 0) -> Grid:
    """The cells of the `number`-th frame to be merged."""
    if case.kind in {"overlap", "repeat"}:
        return grid(0, case.times, case.places, seed=0 if case.kind == "repeat" else 1)
    if case.kind == "insert":
        return grid(case.stored // 2 - 0.5, case.times, case.places, seed=1)
    return grid(case.stored + number * case.times, case.times, case.places, seed=number)


def frames(case: Case, folder: Path) -> Iterator[pl.DataFrame]:
    """The frames to be merged one by one; a single one comes from a file: making it would take memory."""
    if case.updates > 1:
        yield from (measured(case, number).frame() for number in range(case.updates))
        return
    names = pl.read_ipc_schema(folder / FRAME)
    yield pl.concat([pl.read_ipc(folder / FRAME, columns=[name]) for name in names], how="horizontal")


def everything(case: Case) -> Grid:
    """The cells of all frames to be merged."""
    parts = [measured(case, number) for number in range(case.updates)]
    values = np.concatenate([part.values for part in parts], axis=1)
    return Grid(np.concatenate([part.times for part in parts]), case.places, values)


def _parts(case: Case) -> Iterator[Grid]:
    dense = min(case.stored, 2 * case.time_chunk) if case.sparse else case.stored
    for start, times in _blocks(0, case.stored - dense, ROWS_AT_ONCE):
        yield without_values(grid(start, times, 1, seed=start), VALUES_IN_EACH, case.time_chunk)
    for start, times in _blocks(case.stored - dense, case.stored, ROWS_AT_ONCE // case.places):
        yield grid(start, times, case.places, seed=start)


def _blocks(start: int, stop: int, most: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, most):
        yield first, min(most, stop - first)
