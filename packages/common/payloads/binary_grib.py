"""GRIB, read by eccodes and cfgrib in the child: each message bounded and decoded, then all as one cube."""

from __future__ import annotations

import bz2
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfgrib  # type: ignore[import-untyped]
import eccodes  # type: ignore[import-untyped]
import numpy as np

from packages.common.payloads.binary_arrays import KINDS, Array, plain_attributes
from packages.common.payloads.binary_limits import Budget, RefusedError, Task

BZIP2 = b"BZh"
PIECE_BYTES = 1 << 20
MAX_MESSAGES = 100_000
VALUE_BYTES = 8


def arrays(task: Task) -> Iterator[Array]:
    """The variables and coordinates of the one cube that all messages form."""
    path = _unpacked(Path(task.payload), task.max_bytes)
    _check_messages(path, task)
    try:
        dataset = cfgrib.open_file(str(path), errors="raise", indexpath="")
    except (cfgrib.DatasetBuildError, ValueError, KeyError) as error:
        raise NoCubeError(f"the messages form no single cube: {error}") from None
    if len(dataset.variables) > task.max_variables:
        raise RefusedError(f"the file holds {len(dataset.variables)} variables")
    for name, variable in dataset.variables.items():
        array = _array(str(name), variable)
        if array.dtype.kind in KINDS:
            yield array


class NoCubeError(RefusedError):
    """The file is sound, but a function has to say how its messages belong together."""


def _unpacked(path: Path, max_bytes: int) -> Path:
    """The file itself, or what its bzip2 unpacks to."""
    with path.open("rb") as packed:
        if packed.read(len(BZIP2)) != BZIP2:
            return path
    budget = Budget(max_bytes)
    number, name = tempfile.mkstemp(dir=path.parent)
    try:
        with bz2.open(path) as source, os.fdopen(number, "wb") as target:
            while piece := source.read(PIECE_BYTES):
                budget.take(len(piece))
                target.write(piece)
    except (OSError, EOFError) as error:
        raise RefusedError(f"the bzip2 cannot be unpacked: {error}") from None
    return Path(name)


def _check_messages(path: Path, task: Task) -> None:
    budget, count = Budget(task.max_bytes), 0
    with path.open("rb") as file:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            count += 1
            if count > MAX_MESSAGES:
                raise RefusedError(f"the file holds more than {MAX_MESSAGES} messages")
            try:
                points = eccodes.codes_get_long(message, "numberOfDataPoints")
                budget.take(max(0, points) * VALUE_BYTES)
                eccodes.codes_get_values(message)
            finally:
                eccodes.codes_release(message)
    if not count:
        raise RefusedError("the file holds no GRIB message")


def _array(name: str, variable: Any) -> Array:  # noqa: ANN401
    data = variable.data
    shape = tuple(map(int, data.shape))
    dtype = np.dtype(data.dtype)
    return Array(
        name,
        tuple(map(str, variable.dimensions)),
        shape,
        dtype,
        lambda: [np.asarray(data[tuple(slice(None) for _ in shape)] if shape else data)],
        plain_attributes(variable.attributes.items()),
    )
