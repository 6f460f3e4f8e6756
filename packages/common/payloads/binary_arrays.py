"""Arrays of a file on their way out of the child: described in JSON, their values one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from packages.common.payloads.binary_limits import Budget, RefusedError

BLOCK_BYTES = 8 << 20
KINDS = "iufcbSU"
ATTRIBUTES = frozenset(
    (
        *("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "dtype"),
        *("units", "unit", "calendar", "standard_name", "long_name", "description"),
    )
)
"""The attributes that decoding needs, and those that say what a variable is."""
ATTRIBUTE_LENGTH = 1000
NAME_LENGTH = 256


@dataclass(frozen=True)
class Array:
    """One array; `blocks` yields its values in C order, piece by piece."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Callable[[], Iterable[NDArray[Any]]]
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        """Whether its values are texts of any length."""
        return self.dtype.kind == "O"

    @property
    def size_bytes(self) -> int:
        """Bytes that its values take as declared; of texts, that of their lengths."""
        return math.prod(self.shape) * (8 if self.is_text else self.dtype.itemsize)


def export(arrays: Iterable[Array], budget: Budget, output: BinaryIO | None) -> list[dict[str, Any]]:
    """Read all values, keep them where there is an output, and describe each array."""
    return [_export(array, budget, output) for array in arrays]


def _export(array: Array, budget: Budget, output: BinaryIO | None) -> dict[str, Any]:
    _check_name(array.name)
    budget.take(array.size_bytes)
    described: dict[str, Any] = {"dims": list(array.dims), "shape": list(array.shape), "attrs": array.attrs}
    described |= {"name": array.name, "dtype": "text" if array.is_text else array.dtype.str}
    described["size_bytes"] = array.size_bytes
    described["offset"] = output.tell() if output is not None else 0
    if array.is_text:
        described["bytes"] = _write_texts(array, budget, output)
        described["size_bytes"] += described["bytes"]
        return described
    for block in array.blocks():
        if output is not None:
            output.write(np.ascontiguousarray(block, array.dtype).data.cast("B") if block.size else b"")
    return described


def _write_texts(array: Array, budget: Budget, output: BinaryIO | None) -> int:
    """Write the lengths of all texts, then the texts; returns how many bytes these take."""
    lengths = np.zeros(math.prod(array.shape), "<i8")
    start = output.tell() if output is not None else 0
    if output is not None:
        output.seek(lengths.nbytes, 1)
    position = 0
    for block in array.blocks():
        for text in block.ravel():
            encoded = text if isinstance(text, bytes) else str(text).encode()
            budget.take(len(encoded))
            lengths[position] = len(encoded)
            position += 1
            if output is not None:
                output.write(encoded)
    if output is not None:
        end = output.tell()
        output.seek(start)
        output.write(lengths.data.cast("B") if lengths.size else b"")
        output.seek(end)
    return int(lengths.sum())


def blocks_of(source: Any, shape: tuple[int, ...], item_bytes: int) -> Iterator[NDArray[Any]]:  # noqa: ANN401
    """Read `source[...]` in C order in pieces of about `BLOCK_BYTES`."""
    if not shape or math.prod(shape) * item_bytes <= BLOCK_BYTES:
        yield np.asarray(source[()])
        return
    axis = next(
        number for number in range(len(shape)) if math.prod(shape[number + 1 :]) * item_bytes <= BLOCK_BYTES
    )
    step = max(1, BLOCK_BYTES // max(1, math.prod(shape[axis + 1 :]) * item_bytes))
    for outer in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], step):
            yield np.asarray(source[(*outer, slice(start, start + step))])


def plain_attributes(attributes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The attributes of `ATTRIBUTES` that are a number or a text."""
    found = {}
    for name, value in attributes:
        plain = _plain(value) if name in ATTRIBUTES else None
        if plain is not None:
            found[name] = plain
    return found


def _plain(value: Any) -> str | float | int | None:  # noqa: ANN401
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(())[()]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value[:ATTRIBUTE_LENGTH]
    if isinstance(value, np.generic) and value.dtype.kind in "iuf":
        value = value.item()
    return value if isinstance(value, int | float) else None


def _check_name(name: str) -> None:
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise RefusedError("a variable has no name, or one that is too long or not printable")
