"""The classic NetCDF formats (CDF-1, -2 and -5), read in the child.

The layout is that of the NetCDF classic format specification: a big-endian header of dimensions, attributes
and variables, then the values of each fixed variable, then the records, in which the record variables take
turns.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packages.common.payloads.binary_arrays import Array, blocks_of, plain_attributes
from packages.common.payloads.binary_limits import RefusedError, Task, open_no_more_files

TYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8"}
MORE_TYPES = TYPES | {7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
DIMENSIONS, VARIABLES, ATTRIBUTES = 10, 11, 12
MAX_DIMS = 32
STREAMING = {4: 0xFFFFFFFF, 8: 0xFFFFFFFFFFFFFFFF}


@dataclass(frozen=True)
class Variable:
    """A variable as the header describes it; `sizes` of the record dimension is 0."""

    name: str
    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    attrs: dict[str, Any]
    dtype: np.dtype[Any]
    begin: int
    is_record: bool

    @property
    def slab_bytes(self) -> int:
        """Bytes of all values, or of those in one record."""
        return math.prod(self.sizes[1:] if self.is_record else self.sizes) * self.dtype.itemsize

    @property
    def padded_bytes(self) -> int:
        """The same, filled up to a multiple of four."""
        return -(-self.slab_bytes // 4) * 4


def arrays(task: Task) -> Iterator[Array]:
    """The variables of the file; raises RefusedError where the header does not fit the file."""
    path = Path(task.payload)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        open_no_more_files()
        header = Header(data, task.max_variables)
        variables = header.read()
        own = [one for one in variables if one.is_record]
        stride = own[0].slab_bytes if len(own) == 1 else sum(one.padded_bytes for one in own)
        records = header.records
        if records is None:
            start = min((one.begin for one in own), default=len(data))
            records = (len(data) - start) // stride if stride else 0
        for one in variables:
            yield _array(one, data, records, stride)


def _array(one: Variable, data: mmap.mmap, records: int, stride: int) -> Array:
    shape = (records, *one.sizes[1:]) if one.is_record else one.sizes
    count = records if one.is_record else 1
    end = one.begin + (count - 1) * stride + one.slab_bytes if count else one.begin
    if end > len(data):
        raise RefusedError(f"the file ends within the values of {one.name!r}")

    def blocks() -> Iterator[NDArray[Any]]:
        if not one.is_record:
            values = np.frombuffer(data, one.dtype, math.prod(shape), one.begin).reshape(shape)
            yield from (block.copy() for block in blocks_of(values, shape, one.dtype.itemsize))
            return
        for number in range(records):
            at = one.begin + number * stride
            yield np.frombuffer(data, one.dtype, math.prod(shape[1:]), at).copy()

    return Array(one.name, one.dims, shape, one.dtype, blocks, one.attrs)


class Header:
    """Reads the header from its beginning to its end, never behind the end of the file.

    Raises RefusedError where it contradicts itself.
    """

    def __init__(self, data: mmap.mmap | bytes, max_entries: int) -> None:
        self._data = data
        self._at = 4
        self._max = max_entries
        version = data[3]
        self._wide = version == 5
        self._offset = 4 if version == 1 else 8
        self._types = MORE_TYPES if self._wide else TYPES
        self.records: int | None = None

    def read(self) -> list[Variable]:
        """The variables; after this `records` is set, to None where the file is still being written."""
        number = 8 if self._wide else 4
        records = self._integer(number)
        self.records = None if records == STREAMING[number] else records
        dims = [(self._name(), self._count()) for _ in self._entries(DIMENSIONS)]
        self._attributes()
        return [self._variable(dims) for _ in self._entries(VARIABLES)]

    def _variable(self, dims: list[tuple[str, int]]) -> Variable:
        name, rank = self._name(), self._count()
        if rank > MAX_DIMS:
            raise RefusedError(f"{name!r} has {rank} dimensions")
        numbers = [self._count() for _ in range(rank)]
        if any(number >= len(dims) for number in numbers):
            raise RefusedError(f"{name!r} has a dimension that is not there")
        own = [dims[number] for number in numbers]
        if any(size == 0 for _, size in own[1:]):
            raise RefusedError(f"only the first dimension of {name!r} may be that of the records")
        attrs, dtype = plain_attributes(self._attributes().items()), self._type()
        self._count()
        begin = self._integer(self._offset)
        is_record = bool(own) and own[0][1] == 0
        sizes = tuple(size for _, size in own)
        return Variable(name, tuple(dim for dim, _ in own), sizes, attrs, dtype, begin, is_record)

    def _attributes(self) -> dict[str, Any]:
        return {self._name(): self._values() for _ in self._entries(ATTRIBUTES)}

    def _values(self) -> object:
        dtype, count = self._type(), self._count()
        raw = self._take(count * dtype.itemsize, padded=True)
        if dtype.kind == "S":
            return raw.rstrip(b"\0").decode("utf-8", "replace")
        return np.frombuffer(raw, dtype, count).astype(dtype.newbyteorder("="))

    def _entries(self, tag: int) -> range:
        found, count = self._integer(4), self._count()
        if found not in {0, tag} or (found == 0 and count):
            raise RefusedError("the header of the file is damaged")
        if count > self._max:
            raise RefusedError(f"the file has {count} entries of a kind; {self._max} are allowed")
        return range(count)

    def _type(self) -> np.dtype[Any]:
        code = self._integer(4)
        if code not in self._types:
            raise RefusedError(f"the file has values of an unknown type ({code})")
        return np.dtype(self._types[code])

    def _name(self) -> str:
        return self._take(self._count(), padded=True).decode("utf-8", "replace")

    def _count(self) -> int:
        return self._integer(8 if self._wide else 4)

    def _integer(self, size: int) -> int:
        return int(struct.unpack(">I" if size == 4 else ">Q", self._take(size))[0])

    def _take(self, size: int, *, padded: bool = False) -> bytes:
        start = self._at
        self._at += -(-size // 4) * 4 if padded else size
        if start + size > len(self._data):
            raise RefusedError("the file ends within its header")
        return self._data[start : start + size]
