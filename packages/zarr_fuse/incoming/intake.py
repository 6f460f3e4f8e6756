"""Columns of polars and pandas frames, by name, in the few shapes that the conversion knows."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import xarray as xr
from numpy.typing import NDArray

from zarr_fuse.schema import DatasetSchema

Column = pl.Series | NDArray[Any]
SMALL_BYTES = 2**20  # a larger frame gains nothing by being joined with others
_AS_TEXT = frozenset({"datetime", "mixed", "mixed-integer", "mixed-integer-float"})


class Intake:
    """A frame as it was passed; a pandas index is no column and plays no part.

    Raises:
        TypeError: it is neither a polars nor a pandas DataFrame.
    """

    def __init__(self, frame: object) -> None:
        self._take: Callable[[int], Column]
        if isinstance(frame, pl.DataFrame):
            polars_frame = frame
            self._names = frame.columns
            self._take = lambda place: polars_frame.to_series(place)
        elif isinstance(frame, pd.DataFrame):
            pandas_frame = frame
            self._names = [str(name) for name in frame.columns]
            self._take = lambda place: from_pandas(pandas_frame.iloc[:, place])
        else:
            raise TypeError(f"a frame is a polars or pandas DataFrame, {_instead(frame)}")
        self._index = frame.index.names if isinstance(frame, pd.DataFrame) else ()
        self.rows = len(frame)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def lacks(self, name: str) -> str:
        """A sentence that this column is missing, and what may have been meant."""
        found = f"the frame has no column {name!r}"
        if name in self._index:
            return f"{found}, it is in the index: reset_index() makes it a column"
        near = nearest_name(name, self._names)
        return found if near is None else f"{found}, did you mean {near!r}?"

    def column(self, name: str) -> Column:
        """The column of this name: a series, or a numpy array for complex numbers.

        Raises:
            ValueError: the name stands there twice.
            TypeError: the column holds objects that are no values.
        """
        if self._names.count(name) > 1:
            raise ValueError("the frame has several columns of this name")
        return self._take(self._names.index(name))


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Which of a table's columns may be meant by `name`: written alike, or with a unit behind."""
    folded = {one.casefold().strip(): one for one in names}
    wanted = name.casefold()
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.75)
    longer = (one for one in folded if one.startswith(wanted) and not one[len(wanted) :][:1].isalnum())
    found = next(iter(close), None) or next(longer, None)
    return None if found is None else folded[found]


def small_in_polars(frame: object, schema: DatasetSchema) -> object:
    """A small pandas frame as a polars one with the columns that the schema takes, if it can be one."""
    if not isinstance(frame, pd.DataFrame) or frame.size * 8 > SMALL_BYTES or not frame.columns.is_unique:
        return frame
    if schema.source_to_schema_name_map.keys() & set(frame.index.names):
        return frame  # a label in the index is pointed out
    intake = Intake(frame)
    names = [name for name in dict.fromkeys(schema.source_to_schema_name_map) if name in intake]
    try:
        columns = [intake.column(name) for name in names]
    except TypeError:
        return frame
    if not all(isinstance(column, pl.Series) for column in columns):
        return frame
    return pl.DataFrame(dict(zip(names, columns, strict=True)))


def from_pandas(column: pd.Series[Any]) -> Column:
    """A pandas column as a polars series, complex numbers as a numpy array; NaN in objects is null."""
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        return from_pandas(pd.Series(column.to_numpy()))
    if dtype.kind == "c":
        return column.to_numpy()
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype(object)
    elif isinstance(dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC")
    if column.dtype == object:
        return _from_objects(column)
    if column.dtype == np.longdouble:
        column = column.astype(np.float64)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return pl.Series("", column.to_numpy(copy=True))  # the cells wait for the commit
    return _from_arrow(column)


def _instead(thing: object) -> str:
    """What was passed instead of a frame, and how to make one of it."""
    ways: dict[type, str] = {
        pl.LazyFrame: "call its collect() first",
        dict: "pl.DataFrame(…) makes one of it",
        list: "pl.DataFrame(…) makes one of it",
        xr.Dataset: "update_from_ds and merge_ds take one",
    }
    way = next((text for kind, text in ways.items() if isinstance(thing, kind)), None)
    return f"not {type(thing).__name__}" + (f": {way}" if way else "")


def _from_objects(column: pd.Series[Any]) -> Column:
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "complex":
        return column.to_numpy(dtype=np.complex128, na_value=complex(np.nan, np.nan))
    try:
        return _from_arrow(column) if inferred not in _AS_TEXT else _from_mixture(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _from_mixture(column)


def _from_mixture(column: pd.Series[Any]) -> pl.Series:
    """Cells of several types, each written out; TypeError where one is no single value."""
    filled = column[column.notna()]
    if (
        filled.map(pd.api.types.is_scalar).all()
        and not filled.map(lambda cell: isinstance(cell, bytes)).any()
    ):
        return pl.Series("", pa.array(column.astype("string"), from_pandas=True))
    raise TypeError("the column holds objects that are no single values")


def _from_arrow(column: pd.Series[Any]) -> pl.Series:
    array = pa.Array.from_pandas(column)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    return pl.Series("", array)
