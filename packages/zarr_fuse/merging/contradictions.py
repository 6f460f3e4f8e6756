"""Contradictions: rows of one frame that give a variable over fewer coordinates two values at one label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.incoming.rows import Rows, has_value
from zarr_fuse.merging.places import codes_of, first_rows
from zarr_fuse.schema import Variable
from zarr_fuse.values.texts import Values, comparable

Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]


def contradicted(rows: Rows) -> Mask:
    """Rows to drop, and told so, because a variable over fewer coordinates has other values there.

    Only rows of the same frame contradict each other.
    """
    drop = np.zeros(len(rows), dtype=bool)
    own = [] if rows.frames is None else [rows.frames]
    keys = {name: rows.keys(coord) for name, coord in rows.schema.COORDS.items()}
    known, components = dict[tuple[str, ...], Codes](), rows.schema.components
    for name, variable in rows.schema.VARS.items():
        column = rows.columns.get(name)
        if column is None or name in components or len(variable.coords) == len(keys) or not len(rows):
            continue
        along = tuple(variable.coords)
        if along not in known:
            labels = [column for coord in along for column in keys[coord]]
            known[along] = _codes([*own, *labels], len(rows))
        bad = contradicting_rows(keys, known[along], has_value(variable, column), column)
        rows.reject("contradiction", variable, bad, column, _disagree(variable))
        drop |= bad
    return drop


def contradicting_rows(
    keys: Mapping[str, Sequence[Values]], labels: Codes, has_value: Mask, values: Values
) -> Mask:
    """Rows with a value at a label where the values of the frame do not agree, shape (rows,).

    Rows that are equal in *all* coordinates count once, by their last value.

    Args:
        keys: for every coordinate of the node the columns that identify its label, each of shape (rows,).
        labels: number of each row's label along the coordinates of the variable, shape (rows,).
        has_value: which cells are not NA, shape (rows,).
        values: the variable's column, shape (rows,).
    """
    contradicted = np.zeros(len(values), dtype=bool)
    chosen = _suspects(labels, np.flatnonzero(has_value), comparable(values))
    if len(chosen) < 2:
        return contradicted
    own = labels[chosen]
    whole = _codes([own, *(column[chosen] for columns in keys.values() for column in columns)], len(chosen))
    last = _last_rows(whole)
    bad = _disagreeing(own[last], values[chosen[last]])
    contradicted[chosen] = np.isin(own, bad)
    return contradicted


def _suspects(labels: Codes, rows: Codes, content: NDArray[Any]) -> Codes:
    """Those of `rows` at whose label not all of them have the value of the first one."""
    if len(rows) < len(labels):
        labels, content = labels[rows], content[rows]
    first = first_rows(labels, int(labels.max(initial=-1)) + 1)
    differs = content[first[labels]] != content
    return rows[np.isin(labels, labels[differs])] if differs.any() else rows[:0]


def _codes(columns: Sequence[Values], rows: int) -> Codes:
    return codes_of(columns)[0] if columns else np.zeros(rows, dtype=np.int64)


def _last_rows(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last row of each code, ascending."""
    _, from_end = np.unique(codes[::-1], return_index=True)
    return np.sort(len(codes) - 1 - from_end)


def _disagreeing(codes: NDArray[np.int64], values: Values) -> NDArray[np.int64]:
    """Codes that carry more than one distinct value."""
    order = np.argsort(codes, kind="stable")
    codes, content = codes[order], comparable(values[order])
    differs = (codes[1:] == codes[:-1]) & (content[1:] != content[:-1])
    return np.unique(codes[1:][differs])


def _disagree(variable: Variable) -> str:
    if not variable.coords:
        return f"{variable.name} has one value, but rows disagree about it"
    along = ", ".join(variable.coords)
    return f"{variable.name} depends on {along} only, but rows with the same labels there disagree"
