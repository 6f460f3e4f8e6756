"""Reading a node with the labels of its discrete variables: as a dataset, and as a long table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from zarr_fuse.schema import Coord, DatasetSchema, DiscreteRange, Variable

_CODE_ATTRS = ("flag_values", "flag_meanings")


class LabelArray(BackendArray):
    """Labels of stored codes, read when they are indexed; a code beyond the list means none."""

    def __init__(self, codes: xr.Variable, labels: DiscreteRange) -> None:
        self._codes = codes
        self._labels = labels
        self.shape = codes.shape
        self.dtype = labels.codes_to_labels.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 - as the base class says
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._decoded
        )

    def _decoded(self, key: tuple[Any, ...]) -> NDArray[Any]:
        codes = np.asarray(self._codes[key].values)
        return self._labels.decode(np.where(_known(codes, self._labels), codes, 0))


def with_labels(dataset: xr.Dataset, schema: DatasetSchema) -> xr.Dataset:
    """The dataset with the labels of discrete variables for their codes, as lazy as it is."""
    coded = {
        name: _labelled(dataset[name].variable, variable.range)
        for name, variable in schema.VARS.items()
        if isinstance(variable.range, DiscreteRange) and name in dataset.variables
    }
    return dataset.assign(coded)


def long_table(
    dataset: xr.Dataset, schema: DatasetSchema, names: str | Iterable[str], *sel: Any, **more: Any
) -> pl.DataFrame:
    """One row for each cell of the grid that some variables span, missing values as null.

    The first columns are the simple coordinates and components along the axes of the variables, in the order
    of the schema; complex numbers are structs of `real` and `imag`.

    Args:
        dataset: with codes.
        names: of variables.
        sel: what `xr.Dataset.sel` takes.

    Raises:
        KeyError: a name or a label is not in the dataset.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    dims = {dim for name in wanted for dim in dataset[name].dims}
    keys = [key for name, coord in schema.COORDS.items() if name in dims for key in _keys(name, coord)]
    columns = list(dict.fromkeys([*keys, *wanted]))
    chosen = dataset[columns].sel(*sel, **more)
    order = [name for name in (*schema.COORDS, *map(str, chosen.sizes)) if name in chosen.sizes]
    sizes = {name: chosen.sizes[name] for name in order}
    known: dict[str, Variable] = {**schema.COORDS, **schema.VARS}
    return pl.DataFrame([_series(name, _spread(chosen[name], sizes), known.get(name)) for name in columns])


def _spread(array: xr.DataArray, sizes: Mapping[str, int]) -> NDArray[Any]:
    """The values in every cell of a grid, row by row, repeated along the axes they do not depend on."""
    values = array.transpose(*[name for name in sizes if name in array.dims]).values
    shape = [size if name in array.dims else 1 for name, size in sizes.items()]
    return np.broadcast_to(values.reshape(shape), tuple(sizes.values())).reshape(-1)


def _labelled(codes: xr.Variable, labels: DiscreteRange) -> xr.Variable:
    attrs = {key: value for key, value in codes.attrs.items() if key not in _CODE_ATTRS}
    return xr.Variable(codes.dims, indexing.LazilyIndexedArray(LabelArray(codes, labels)), attrs)


def _keys(name: str, coord: Coord) -> tuple[str, ...]:
    return tuple(coord.composed) if coord.is_composed else (name,)


def _known(codes: NDArray[Any], labels: DiscreteRange) -> NDArray[np.bool_]:
    return np.asarray((codes > 0) & (codes < len(labels.codes_to_labels)))


def _series(name: str, values: NDArray[Any], variable: Variable | None) -> pl.Series:
    if variable is not None and isinstance(variable.range, DiscreteRange) and variable.is_coded:
        valid = _known(values, variable.range)
        labels = _plain(name, variable.range.codes_to_labels)
        series = labels.gather(np.where(valid, values, 0))
    else:
        valid = variable.valid_mask(values) if variable is not None and variable.type else _present(values)
        series = _plain(name, values)
    if valid.all():
        return series
    return pl.select(pl.when(pl.Series(valid)).then(series).alias(name)).to_series()


def _present(values: NDArray[Any]) -> NDArray[np.bool_]:
    return ~np.isnan(values) if values.dtype.kind in "fc" else np.ones(len(values), dtype=bool)


def _plain(name: str, values: NDArray[Any]) -> pl.Series:
    """A series of values as polars holds them."""
    if values.dtype.kind == "c":
        return pl.DataFrame({"real": values.real.copy(), "imag": values.imag.copy()}).to_struct(name)
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] not in {"ms", "us", "ns"}:
        values = values.astype("datetime64[us]")
    return pl.Series(name, values.tolist() if values.dtype.kind == "O" else values)
