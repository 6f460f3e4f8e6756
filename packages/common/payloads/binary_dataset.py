"""The arrays that the child has written, as an xarray Dataset."""

from __future__ import annotations

import math
import mmap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from packages.common.errors import PayloadError
from packages.common.payloads.binary_arrays import KINDS


def dataset_of(described: list[dict[str, Any]], values: Path) -> xr.Dataset:
    """A dataset of the arrays described, their values from the file, decoded by the CF conventions.

    Raises PayloadError where dimensions disagree, or an attribute cannot be followed.
    """
    with values.open("rb") as file:
        data = _mapped(file.fileno())
        variables = {
            one["name"]: xr.Variable(one["dims"], _values(one, data), one["attrs"]) for one in described
        }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return xr.decode_cf(xr.Dataset(variables), decode_timedelta=False).load()
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise PayloadError(f"the arrays make no dataset: {str(error).partition(chr(10))[0]}") from None


def _mapped(number: int) -> memoryview:
    try:
        return memoryview(mmap.mmap(number, 0, access=mmap.ACCESS_READ))
    except ValueError:
        return memoryview(b"")


def _values(described: dict[str, Any], data: memoryview) -> NDArray[Any]:
    shape, offset = tuple(described["shape"]), int(described["offset"])
    if described["dtype"] == "text":
        return _texts(math.prod(shape), offset, data).reshape(shape)
    dtype = np.dtype(described["dtype"])
    if dtype.kind not in KINDS:
        raise PayloadError(f"{described['name']!r} has values of an unknown type")
    values = np.frombuffer(data, dtype, math.prod(shape), offset).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _texts(count: int, offset: int, data: memoryview) -> NDArray[Any]:
    lengths = np.frombuffer(data, "<i8", count, offset)
    ends = offset + lengths.nbytes + np.cumsum(lengths)
    texts = np.empty(count, object)
    for number, (end, length) in enumerate(zip(ends.tolist(), lengths.tolist(), strict=True)):
        texts[number] = bytes(data[end - length : end]).decode("utf-8", "replace")
    return texts
