"""Chunks of a stored array: which there are, how they are decoded and encoded."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import MemoryStore

from zarr_fuse.stored.layout import Catalog, Document, children, join

ZSTD_LEVEL = 3
LOOK_FIRST = 256  # cells that most often tell that a chunk is not all fill

_FIXED_LENGTH: Any = {"name": "bytes", "configuration": {"endian": "little"}}
_VARIABLE_TEXT: Any = {"name": "vlen-utf8"}  # as existing writers may store text

Index = tuple[int, ...]


@dataclass(frozen=True)
class StoredArray:
    """An array as its metadata document describes it.

    The unit of storage is the *chunk*: a shard where the array is sharded.
    """

    path: str
    document: Document

    @property
    def dtype(self) -> np.dtype[Any]:
        """The in-memory type of the values."""
        return self._native[0]

    @property
    def fill(self) -> Any:  # noqa: ANN401 - a scalar of `dtype`
        """What a cell without a stored chunk reads as."""
        return self._native[1]

    @cached_property
    def _native(self) -> tuple[np.dtype[Any], Any]:
        return _dtype_and_fill(json.dumps([self.document["data_type"], self.document["fill_value"]]))

    @property
    def shape(self) -> Index:
        """Extent of each axis."""
        return tuple(self.document["shape"])

    @cached_property
    def chunk_shape(self) -> Index:
        """Length of a chunk on each axis."""
        return tuple(self.document["chunk_grid"]["configuration"]["chunk_shape"])

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(self.document.get("dimension_names") or ())

    def resized(self, shape: Index) -> StoredArray:
        """The same array with another extent."""
        if shape == self.shape:
            return self
        return StoredArray(self.path, {**self.document, "shape": list(shape)})

    def with_attributes(self, attributes: dict[str, Any]) -> StoredArray:
        """The same array with other attributes."""
        return StoredArray(self.path, {**self.document, "attributes": attributes})

    def committed(self, index: Index) -> tuple[slice, ...] | None:
        """The part of a chunk inside the extent, None where there is none."""
        extents = zip(self.shape, self.chunk_shape, index, strict=True)
        lengths = [min(step, extent - place * step) for extent, step, place in extents]
        return (
            tuple(slice(0, length) for length in lengths) if all(length > 0 for length in lengths) else None
        )

    def full(self, value: Any, shape: Index | None = None) -> NDArray[Any]:  # noqa: ANN401
        """An array of one chunk (or of `shape`) that holds `value` everywhere."""
        return np.full(self.chunk_shape if shape is None else shape, value, dtype=self.dtype)

    def is_fill(self, cells: NDArray[Any]) -> bool:
        """Whether every cell reads as the fill value, so that nothing need be stored."""
        fill = np.asarray(self.fill, dtype=self.dtype)
        return same_cells(cells.reshape(-1)[:LOOK_FIRST], fill) and same_cells(cells, fill)

    @cached_property
    def _plain(self) -> bool:
        names = [codec["name"] for codec in self.document["codecs"]]
        endian = self.document["codecs"][0].get("configuration", {}).get("endian", "little")
        return names == ["bytes", "zstd"] and endian == "little"

    def encode(self, cells: NDArray[Any]) -> bytes:
        """A chunk's bytes as its codecs make them."""
        if self._plain:
            return bytes(Zstd(level=ZSTD_LEVEL).encode(np.ascontiguousarray(cells)))
        store: dict[str, Any] = {}
        self._one_chunk_array(store)[...] = cells
        return bytes(store[self._chunk_key].to_bytes())

    def decode(self, data: bytes) -> NDArray[Any]:
        """The cells of a chunk, shape `chunk_shape`."""
        if self._plain:
            return np.frombuffer(Zstd().decode(data), dtype=self.dtype).reshape(self.chunk_shape)
        buffer = default_buffer_prototype().buffer.from_bytes(data)
        return np.asarray(self._one_chunk_array({self._chunk_key: buffer})[...])

    @property
    def _chunk_key(self) -> str:
        return "/".join(("c", *("0" for _ in self.chunk_shape)))

    def _one_chunk_array(self, store: dict[str, Any]) -> zarr.Array[Any]:
        document = {**self.document, "shape": list(self.chunk_shape)}
        store["zarr.json"] = default_buffer_prototype().buffer.from_bytes(json.dumps(document).encode())
        return zarr.open_array(store=MemoryStore(store), mode="r+", config={"write_empty_chunks": True})


def arrays_of(catalog: Catalog, path: str) -> dict[str, StoredArray]:
    """The arrays directly below a path, by name."""
    names = children(catalog, path, groups=False)
    return {name: StoredArray(join(path, name), catalog[join(path, name)]) for name in names}


@cache
def _dtype_and_fill(text: str) -> tuple[np.dtype[Any], Any]:
    data_type, fill_value = json.loads(text)
    metadata = ArrayV3Metadata.from_dict(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [1],
            "data_type": data_type,
            "fill_value": fill_value,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}},
            "chunk_key_encoding": {"name": "default"},
            "codecs": [_VARIABLE_TEXT if data_type == "string" else _FIXED_LENGTH],
        }
    )
    return metadata.dtype.to_native_dtype(), metadata.fill_value


def same_cells(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Whether two arrays hold the same values, NaN being equal to NaN."""
    if left.dtype.kind not in "fc":
        return bool(np.all(left == right))
    if left.shape == right.shape and left.dtype.kind == "f" and _same_bits(left, right):
        return True
    return bool(np.all((left == right) | (np.isnan(left) & np.isnan(right))))


def _same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    bits = f"i{left.dtype.itemsize}"
    return left.dtype == right.dtype and bool(np.array_equal(left.view(bits), right.view(bits)))


def new_document(
    *,
    shape: Index,
    chunks: Index,
    shards: Index | None,
    dtype: np.dtype[Any],
    fill: Any,  # noqa: ANN401
    dims: Sequence[str],
    attributes: dict[str, Any],
) -> Document:
    """The metadata document of an array that is yet to be stored, as zarr itself would write it."""
    store: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fixed-length text has no Zarr 3 specification yet
        zarr.create_array(
            store=MemoryStore(store),
            shape=shape,
            chunks=chunks,
            shards=shards,
            dtype=dtype,
            fill_value=fill,
            dimension_names=list(dims),
            attributes=attributes,
            compressors=ZstdCodec(level=ZSTD_LEVEL),
        )
    document: Document = json.loads(store["zarr.json"].to_bytes())
    document["dimension_names"] = list(dims)
    return document
