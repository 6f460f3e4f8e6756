"""Places: the positions of a composed axis, identified by the tuple of their component values.

The label of a place is a 64-bit hash of that tuple, the one CPython gives a tuple of floats (numeric
components), so that stores written with `hash()` keep their labels. Text and times have no portable hash in
Python; their 64-bit lanes go through the same mixing.

Sources, as formulas: CPython `Python/pyhash.c` (`_Py_HashDouble`) and `Objects/tupleobject.c` (`tuple_hash`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zarr_fuse.values.texts import Values, distinct

MODULUS = np.uint64((1 << 61) - 1)
PRIME_1 = np.uint64(11400714785074694791)
PRIME_2 = np.uint64(14029467366897019727)
PRIME_5 = np.uint64(2870177450012600261)
LENGTH_MASK = np.uint64(2870177450012600261 ^ 3527539)
INFINITY_HASH = 314159
MINUS_ONE = np.uint64(2**64 - 1)
MINUS_TWO = np.uint64(2**64 - 2)
TUPLE_MINUS_ONE = np.uint64(1546275796)


def codes_of(columns: Sequence[Values]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number rows by their tuple of values.

    Args:
        columns: each of shape (rows,).

    Returns:
        codes of shape (rows,), numbered by first appearance, and the first row of each code, shape (codes,).
    """
    codes, count = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        labels, inverse = distinct(column)
        codes *= len(labels)
        codes += inverse
        del inverse
        codes, found = pd.factorize(codes)
        count = len(found)
    return codes, first_rows(codes, count)


def first_rows(codes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The first row of each of the codes 0 … count − 1."""
    first = np.empty(count, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return first


def place_labels(columns: Sequence[NDArray[Any]], taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of new, distinct places, none of them in `taken`.

    Args:
        columns: component values, each of shape (places,).
        taken: labels of the places already on the axis.
    """
    if all(column.dtype.kind in "biuf" for column in columns):
        lanes = [_float_hash(column.astype(np.float64)) for column in columns]
    else:
        lanes = [lane for column in columns for lane in _lanes(column)]
    return _without_collisions(_tuple_hash(lanes).view(np.int64), taken)


def _without_collisions(labels: NDArray[np.int64], taken: NDArray[np.int64]) -> NDArray[np.int64]:
    labels = labels.copy()
    while True:
        again = np.isin(labels, taken)
        first = np.zeros(len(labels), dtype=bool)
        first[np.unique(labels, return_index=True)[1]] = True
        again |= ~first
        if not again.any():
            return labels
        labels.view(np.uint64)[again] += np.uint64(1)


def _tuple_hash(lanes: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    state = np.full(len(lanes[0]), PRIME_5)
    for lane in lanes:
        state = state + lane * PRIME_2
        state = (state << np.uint64(31)) | (state >> np.uint64(33))
        state = state * PRIME_1
    state = state + (np.uint64(len(lanes)) ^ LENGTH_MASK)
    return np.where(state == MINUS_ONE, TUPLE_MINUS_ONE, state)


def _float_hash(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    finite = np.isfinite(values)
    mantissa, exponent = np.frexp(np.where(finite, np.abs(values), 0.0))
    state = np.zeros(len(values), dtype=np.uint64)
    exponent = exponent.astype(np.int64)
    for _ in range(2):  # 2 × 28 bits cover the 53 of a float64
        mantissa = mantissa * 2.0**28
        whole = np.floor(mantissa)
        mantissa = mantissa - whole
        exponent = exponent - 28
        state = _rotate(state, np.uint64(28)) + whole.astype(np.uint64)
        state = np.where(state >= MODULUS, state - MODULUS, state)
    state = _rotate(state, (exponent % 61).astype(np.uint64))
    state = np.where(finite, state, np.uint64(INFINITY_HASH))
    state = np.where(values < 0, np.uint64(0) - state, state)
    return np.where(state == MINUS_ONE, MINUS_TWO, state)


def _rotate(state: NDArray[np.uint64], bits: Any) -> NDArray[np.uint64]:  # noqa: ANN401 - scalar or array
    rotated: NDArray[np.uint64] = ((state << bits) & MODULUS) | (state >> (np.uint64(61) - bits))
    return rotated


def _lanes(column: NDArray[Any]) -> list[NDArray[np.uint64]]:
    if column.dtype.kind == "U":
        points = np.ascontiguousarray(column).view(np.uint32).reshape(len(column), -1)
        return [points[:, place].astype(np.uint64) for place in range(points.shape[1])]
    if column.dtype.kind == "f":
        return [_float_hash(column.astype(np.float64))]
    return [column.astype(np.int64).view(np.uint64)]
