"""The arrays of a node as its merge sees them: sorted axes in order, times in ticks since 1970.

Arrays of existing stores may be neither. They are translated chunk by chunk, both ways; what is stored keeps
its form, except that an axis out of order is put in order, and that times are counted anew where a label
could not be held otherwise.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zarr_fuse.commit.edits import ChunkEdit
from zarr_fuse.errors import UpdateRefusedError
from zarr_fuse.merging.changes import ArrayChange
from zarr_fuse.schema import Coord, DatasetSchema, Variable
from zarr_fuse.stored.chunks import Index, StoredArray, same_cells
from zarr_fuse.stored.ordering import Order, gathered, order_of
from zarr_fuse.stored.reader import ChunkReader
from zarr_fuse.stored.time_encoding import TimeEncoding, encoding_of
from zarr_fuse.units import DateTimeUnit
from zarr_fuse.values.texts import Values
from zarr_fuse.values.times import NAT

TIME_KEYS = ("units", "calendar")


@dataclass(frozen=True)
class SeenArray:
    """One stored array: `stored` is its committed form, `seen` the one the merge works on."""

    stored: StoredArray
    variable: Variable | None
    orders: tuple[Order | None, ...] = ()

    @cached_property
    def encoding(self) -> TimeEncoding | None:
        """How times are counted, None where nothing is to be translated."""
        unit = self.variable.unit if self.variable else None
        coded = self.variable is not None and self.variable.is_coded
        return encoding_of(self.stored, unit) if isinstance(unit, DateTimeUnit) and not coded else None

    @property
    def holds_its_type(self) -> bool:
        """Whether values of the variable, its missing one among them, fit the array."""
        if self.variable is None or self.variable.type is None or self.encoding:
            return True
        own, kept = self.variable.storage_dtype, self.stored.dtype
        return own == kept or (own.kind == "U" and kept.kind == "T") or np.can_cast(own, kept)

    @property
    def is_ordered(self) -> bool:
        """Whether the cells lie where the merge sees them."""
        return not any(self.orders)

    @cached_property
    def seen(self) -> StoredArray:
        """The array in order and in ticks."""
        document = self.stored.document
        if self.is_ordered and not self.encoding:
            return self.stored
        if self.encoding:
            fill = self.decoded(np.asarray([self.stored.fill]))[0]
            document = {**document, "data_type": "int64", "fill_value": int(fill)}
        array = StoredArray(self.stored.path, document)
        if self.is_ordered:
            return array
        pairs = zip(self.orders, array.shape, strict=True)
        return array.resized(tuple(order.size if order else extent for order, extent in pairs))

    def decoded(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Stored cells as the merge sees them."""
        if cells.dtype.kind == "T":
            return cells.astype(object).astype(np.str_)
        return self.encoding.decode(cells) if self.encoding else cells

    def keeps_encoding(self, values: Values) -> bool:
        """Whether new values can be stored as the array counts."""
        return self.encoding is None or self.encoding.holds(np.asarray(values))

    def stored_form(self, after: StoredArray, *, keep: bool) -> StoredArray:
        """The array to be stored for what the merge made of it."""
        if self.encoding is None:
            return after
        if not keep:
            attributes = {
                key: value for key, value in after.document["attributes"].items() if key != "_FillValue"
            }
            return StoredArray(after.path, {**after.document, "fill_value": NAT, "attributes": attributes})
        own = self.stored.document
        times = {key: own["attributes"][key] for key in TIME_KEYS if key in own["attributes"]}
        form = {key: own[key] for key in ("data_type", "fill_value")}
        attributes = {**after.document["attributes"], **times}
        return StoredArray(after.path, {**after.document, **form, "attributes": attributes})


class NodeReader(ChunkReader):
    """Reads the arrays of one node through `reader`; `arrays` are their seen forms by name."""

    def __init__(self, reader: ChunkReader, stored: Mapping[str, StoredArray], schema: DatasetSchema) -> None:
        self._reader = reader
        known: dict[str, Variable] = {**schema.VARS, **schema.COORDS}
        self._seen = {name: SeenArray(array, known.get(name)) for name, array in stored.items()}
        self._by_path = {one.stored.path: one for one in self._seen.values()}

    @property
    def arrays(self) -> dict[str, StoredArray]:
        """The arrays as the merge sees them, by name."""
        return {name: one.seen for name, one in self._seen.items()}

    def require_known_types(self) -> None:
        """Make sure that every array can hold what will be written to it.

        Raises:
            UpdateRefusedError: an array of an existing store is of a type that no schema can name.
        """
        problems = [
            f"{one.stored.path}: stored as {one.stored.dtype}, a type that cannot be extended"
            for one in self._seen.values()
            if one.variable is not None and not one.holds_its_type
        ]
        if problems:
            raise UpdateRefusedError(problems)

    def put_in_order(self, coords: Iterable[Coord]) -> bool:
        """Look at whole axes once, and see those that are out of order as if they were in order.

        Returns:
            whether one was not.
        """
        orders = {}
        for coord in coords:
            if coord.sorted and not coord.is_composed and coord.name in self._seen:
                order = order_of(self.vector(self._seen[coord.name].seen))
                if order is not None:
                    orders[coord.name] = order
                    warnings.warn(f"{coord.name} is out of order and put in order", UserWarning, stacklevel=2)
        for name, one in self._seen.items():
            axes = tuple(orders.get(dim) for dim in one.stored.dims)
            if any(axes):
                self._seen[name] = replace(one, orders=axes)
        self._by_path = {one.stored.path: one for one in self._seen.values()}
        return bool(orders)

    def change(self, name: str, change: ArrayChange) -> Iterator[ChunkEdit]:
        """What has to be stored for a change of a seen array."""
        one = self._seen.get(name)
        if one is None or (one.is_ordered and one.encoding is None):
            yield from change.edits(self)
            return
        keep = one.keeps_encoding(change.cells.values)
        form = one.stored_form(change.after, keep=keep)
        if keep and one.is_ordered:
            edits = change.edits(self)
        else:
            edits = self._rewritten(one, change, form, keep=keep)
        for edit in edits:
            cells = edit.cells
            if cells is not None and keep and one.encoding:
                cells = one.encoding.encode(cells)
            yield replace(edit, array=form, cells=cells)

    def stored_form(self, name: str, after: StoredArray, values: Callable[[], Values]) -> StoredArray:
        """The array to be stored for what the merge made of a seen one by writing `values`."""
        one = self._seen.get(name)
        if one is None or one.encoding is None:
            return after
        return one.stored_form(after, keep=one.keeps_encoding(values()))

    # What a `ChunkReader` gives, of seen arrays.

    def chunk(self, array: StoredArray, index: Index) -> NDArray[Any]:
        """The cells of a chunk as the merge sees them."""
        one = self._by_path[array.path]
        if one.is_ordered:
            return one.decoded(self._reader.chunk(one.stored, index))
        cells = array.full(self._na(one))
        bounds = array.committed(index)
        if bounds is not None:
            part = self._in_order(one, array, index, bounds)
            cells[bounds] = part
        return cells

    def stored(self, array: StoredArray, index: Index) -> NDArray[Any] | None:
        """The cells of a chunk, or None where no object is stored."""
        one = self._by_path[array.path]
        if not one.is_ordered:
            return self.chunk(array, index)
        cells = self._reader.stored(one.stored, index)
        return None if cells is None else one.decoded(cells)

    def prefetch(self, array: StoredArray, indices: Iterable[Index]) -> None:
        """Read several chunks at once, where they lie in order."""
        one = self._by_path[array.path]
        if one.is_ordered:
            self._reader.prefetch(one.stored, indices)

    def _na(self, one: SeenArray) -> Any:  # noqa: ANN401
        return one.seen.fill if one.variable is None else one.variable.storage_na

    def _in_order(
        self, one: SeenArray, array: StoredArray, index: Index, bounds: Sequence[slice]
    ) -> NDArray[Any]:
        axes: list[Order | tuple[int, int]] = []
        for order, place, step, bound in zip(one.orders, index, array.chunk_shape, bounds, strict=True):
            start, stop = place * step, place * step + bound.stop
            cut = Order(tuple(layer[start:stop] for layer in order.layers)) if order else (start, stop)
            axes.append(cut)
        source = StoredArray(array.path, {**array.document, "shape": one.stored.document["shape"]})
        return gathered(
            source, axes, self._na(one), lambda at: one.decoded(self._reader.chunk(one.stored, at))
        )

    def _rewritten(
        self, one: SeenArray, change: ArrayChange, form: StoredArray, *, keep: bool
    ) -> Iterator[ChunkEdit]:
        """All chunks of an array that is put in order or counted anew; none of those it no longer has."""
        empty = change.after if keep else form
        for index, cells in change.contents(_grid(change.after, one.stored), self):
            raw = self._reader.stored(one.stored, index)
            if cells is None or empty.is_fill(cells):
                if raw is not None:
                    yield ChunkEdit(form, index, None, in_place=False)
            elif not keep or raw is None or not same_cells(one.decoded(raw), cells):
                yield ChunkEdit(form, index, cells, in_place=False)


def _grid(*arrays: StoredArray) -> Iterator[Index]:
    """Indices of all chunks that one of several arrays with the same chunks has."""
    extents = [max(lengths) for lengths in zip(*(array.shape for array in arrays), strict=True)]
    steps = arrays[0].chunk_shape
    counts = [range(-(-extent // step)) for extent, step in zip(extents, steps, strict=True)]
    return itertools.product(*counts)
