"""HDF5 and NetCDF-4, read by h5py in the child: every object is looked at before any value is read.

Whatever would let a file reach for another one is refused: external links, external storage of values, and
virtual datasets. Should one be overlooked, the process has given up its right to open files.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import h5netcdf  # type: ignore[import-untyped]
import h5py  # type: ignore[import-untyped]
import numpy as np

from packages.common.payloads.binary_arrays import KINDS, Array, blocks_of, plain_attributes
from packages.common.payloads.binary_limits import Budget, RefusedError, Task, open_no_more_files

MAX_OBJECTS = 20_000
MAX_CHUNK_BYTES = 256 << 20
FILTERS = frozenset(range(1, 7)) | {32000}
"""Those of the HDF5 library itself, and LZF: deflate, shuffle, fletcher32, szip, n-bit, scale-offset."""
PLACEHOLDER = b"This is a netCDF dimension but not a netCDF variable"


def arrays(task: Task) -> Iterator[Array]:
    """The variables of the root group; raises RefusedError after a look at all objects of the file."""
    _rehearse(task)
    with h5py.File(task.payload, "r", locking=False) as file:
        open_no_more_files()
        _scan(file, task)
        yield from _variables(file)


def _rehearse(task: Task) -> None:
    """Read a small file made here, so that the libraries load now what they load on first use."""
    with io.BytesIO() as memory:
        with h5netcdf.File(memory, "w") as made:
            made.dimensions = {"x": 1}
            made.create_variable("x", ("x",), "f8", data=[0.0]).attrs["units"] = "m"
            made.create_variable("t", ("x",), h5py.string_dtype())[0] = "a"
        with h5py.File(memory, "r") as file:
            _scan(file, replace(task, max_bytes=1 << 20, max_variables=2))
            for array in _variables(file):
                list(array.blocks())


def _variables(file: h5py.File) -> Iterator[Array]:
    with h5netcdf.File(file, "r", phony_dims="sort") as netcdf:
        for name, variable in netcdf.variables.items():
            dataset = file[name]
            if isinstance(dataset, h5py.Dataset) and _readable(dataset):
                yield _array(name, tuple(map(str, variable.dimensions)), dataset)


def _scan(file: h5py.File, task: Task) -> None:
    budget, seen, waiting, datasets = Budget(task.max_bytes), set[int](), [file["/"]], 0
    while waiting:
        group = waiting.pop()
        if len(group) + len(waiting) + len(seen) > MAX_OBJECTS:
            raise RefusedError(f"the file holds more than {MAX_OBJECTS} objects")
        for name in group:
            found = _hard_linked(group, name)
            if found is None or (address := h5py.h5o.get_info(found.id).addr) in seen:
                continue
            seen.add(address)
            if isinstance(found, h5py.Group):
                waiting.append(found)
            elif isinstance(found, h5py.Dataset):
                datasets += 1
                _check(found, budget)
    if datasets > task.max_variables:
        raise RefusedError(f"the file holds {datasets} variables; {task.max_variables} are allowed")


def _hard_linked(group: h5py.Group, name: str) -> Any:  # noqa: ANN401
    """The object of a hard link; None for a soft link, whose target is found by its own hard link."""
    try:
        link = group.get(name, getlink=True)
    except TypeError:
        raise RefusedError("the file has a link of an unknown kind") from None
    if isinstance(link, h5py.ExternalLink):
        raise RefusedError(f"the file has an external link ({name!r}): it leads to another file")
    return group[name] if isinstance(link, h5py.HardLink) else None


def _check(dataset: h5py.Dataset, budget: Budget) -> None:
    name = dataset.name
    properties = dataset.id.get_create_plist()
    if properties.get_external_count():
        raise RefusedError(f"the values of {name!r} are in another file (external storage)")
    if dataset.is_virtual:
        raise RefusedError(f"{name!r} is a virtual dataset: its values are elsewhere")
    for number in range(properties.get_nfilters()):
        if properties.get_filter(number)[0] not in FILTERS:
            raise RefusedError(f"{name!r} is compressed by a filter that is not available here")
    if dataset.shape is None:
        return
    budget.take(math.prod(dataset.shape) * dataset.dtype.itemsize)
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > MAX_CHUNK_BYTES:
        raise RefusedError(f"a chunk of {name!r} is larger than {MAX_CHUNK_BYTES} bytes")


def _readable(dataset: h5py.Dataset) -> bool:
    if dataset.shape is None or dataset.attrs.get("NAME", b"")[: len(PLACEHOLDER)] == PLACEHOLDER:
        return False
    return dataset.dtype.kind in KINDS or _is_text(dataset)


def _is_text(dataset: h5py.Dataset) -> bool:
    return h5py.check_string_dtype(dataset.dtype) is not None


def _array(name: str, dims: tuple[str, ...], dataset: h5py.Dataset) -> Array:
    shape, dtype = tuple(map(int, dataset.shape)), dataset.dtype
    if dtype.kind == "O":
        dtype = np.dtype(object)
    return Array(
        name,
        dims,
        shape,
        dtype,
        lambda: blocks_of(dataset, shape, dtype.itemsize),
        plain_attributes(_attributes(dataset)),
    )


def _attributes(dataset: h5py.Dataset) -> Iterator[tuple[str, Any]]:
    for name in dataset.attrs:
        try:
            yield name, dataset.attrs[name]
        except (OSError, TypeError, ValueError):
            continue
