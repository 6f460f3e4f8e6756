"""A small survey: its schema, random frames for it, and a model of what the store must hold after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from hypothesis import strategies as st

SCHEMA = """
ATTRS: {title: River survey}
upper:
  VARS:
    stage:   {unit: m, coords: [when, gauge]}
    count:   {unit: "", type: int, coords: [when, gauge]}
    note:    {unit: "", type: "str[4]", coords: [when, gauge]}
    owner:   {unit: "", type: "str[4]", coords: gauge}
    east:    {unit: km, coords: gauge}
    north:   {unit: km, coords: gauge}
  COORDS:
    when:  {unit: {tick: s}, chunk_size: 4}
    gauge: {composed: [east, north], chunk_size: 2}
lower:
  weir:
    VARS:
      flow:  {unit: m**3/s, coords: [day, site, depth]}
      wind:  {unit: m/s, coords: day}
      total: {unit: m**3, coords: []}
    COORDS:
      day:   {unit: {tick: D}, chunk_size: 3}
      site:  {type: "str[6]", unit: "", sorted: false, chunk_size: 2}
      depth: {unit: m, chunk_size: 2}
"""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class NodeModel:
    """A node by the rules of the merge: `axes` in stored order, `cells` by variable and labels."""

    coordinates: Mapping[str, tuple[str, ...]]  # coordinate -> its key columns
    variables: Mapping[str, tuple[str, ...]]  # variable -> its coordinates
    axes: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    cells: dict[str, dict[tuple[Any, ...], Any]] = field(default_factory=dict)

    def update(self, rows: Iterable[Row]) -> None:
        """Merge the rows of one frame."""
        rows = self._without_contradictions([row for row in rows if self._labels(row) is not None])
        for row in rows:
            for name, keys in self.coordinates.items():
                axis, label = self.axes.setdefault(name, []), tuple(row[key] for key in keys)
                if label not in axis:
                    axis.append(label)
                if keys == (name,) and name != "site":
                    axis.sort()
            for name, coords in self.variables.items():
                if row.get(name) is not None:
                    self.cells.setdefault(name, {})[self._place(row, coords)] = row[name]

    def _labels(self, row: Row) -> tuple[Any, ...] | None:
        values = [row.get(key) for keys in self.coordinates.values() for key in keys]
        return None if any(value is None for value in values) else tuple(values)

    def _place(self, row: Row, coords: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(tuple(row[key] for key in self.coordinates[coord]) for coord in coords)

    def _without_contradictions(self, rows: list[Row]) -> list[Row]:
        dropped = set[int]()
        for name, coords in self.variables.items():
            if len(coords) == len(self.coordinates):
                continue
            last = {self._labels(row): row[name] for row in rows if row.get(name) is not None}
            seen: dict[Any, set[Any]] = {}
            for row in rows:
                if row.get(name) is not None:
                    seen.setdefault(self._place(row, coords), set()).add(last[self._labels(row)])
            for number, row in enumerate(rows):
                if row.get(name) is not None and len(seen[self._place(row, coords)]) > 1:
                    dropped.add(number)
        return [row for number, row in enumerate(rows) if number not in dropped]

    def contradicts(self, dataset: xr.Dataset) -> str | None:
        """What differs between a dataset opened by plain xarray and this model, None if nothing does."""
        if not self.axes:
            return f"arrays before the first write: {list(dataset.variables)}" if dataset.variables else None
        for name, keys in self.coordinates.items():
            stored = list(zip(*(_plain(dataset[key]) for key in keys), strict=True))
            if stored != self.axes[name]:
                return f"axis {name}: {stored} instead of {self.axes[name]}"
        for name, coords in self.variables.items():
            expected = self._grid(name, coords, dataset[name].shape, dataset[name].dtype)
            if not np.array_equal(_na(dataset[name].values), expected):
                return f"{name}: {dataset[name].values} instead of {expected}"
        return None

    def _grid(self, name: str, coords: tuple[str, ...], shape: Any, dtype: Any) -> Any:
        grid = np.full(shape, None, dtype=object)
        for labels, value in self.cells.get(name, {}).items():
            grid[
                tuple(self.axes[coord].index(label) for coord, label in zip(coords, labels, strict=True))
            ] = value
        return grid


def models() -> dict[str, NodeModel]:
    """The models of both nodes, empty."""
    both = ("when", "gauge")
    upper = NodeModel(
        {"when": ("when",), "gauge": ("east", "north")},
        {
            "stage": both,
            "count": both,
            "note": both,
            "owner": ("gauge",),
            "east": ("gauge",),
            "north": ("gauge",),
        },
    )
    weir = NodeModel(
        {"day": ("day",), "site": ("site",), "depth": ("depth",)},
        {"flow": ("day", "site", "depth"), "wind": ("day",), "total": ()},
    )
    return {"upper": upper, "lower/weir": weir}


COLUMNS: dict[str, dict[str, Any]] = {
    "upper": {
        "when": pl.Int64,
        "east": pl.Float64,
        "north": pl.Float64,
        "stage": pl.Float64,
        "count": pl.Int64,
        "note": pl.String,
        "owner": pl.String,
    },
    "lower/weir": {
        "day": pl.Int64,
        "site": pl.String,
        "depth": pl.Float64,
        "flow": pl.Float64,
        "wind": pl.Float64,
        "total": pl.Float64,
    },
}
OPTIONAL = {"upper": ["stage", "count", "note", "owner"], "lower/weir": ["flow", "wind", "total"]}
_number = st.sampled_from([None, 0.5, 1.0, 2.0, -3.0])
_ROWS = {
    "upper": st.fixed_dictionaries(
        {
            "when": st.integers(-3, 12),
            "east": st.sampled_from([1.0, -1.0, -2.0]),
            "north": st.sampled_from([0.0, 7.5]),
            "stage": _number,
            "count": st.sampled_from([None, 0, 7, 2**53 + 1]),
            "note": st.sampled_from([None, "ok", "ice"]),
            "owner": st.sampled_from([None, None, "A", "B"]),
        }
    ),
    "lower/weir": st.fixed_dictionaries(
        {
            "day": st.integers(0, 8),
            "site": st.sampled_from(["b", "a", "c"]),
            "depth": st.sampled_from([None, 0.5, 1.0, 3.0]),
            "flow": _number,
            "wind": st.sampled_from([None, None, 4.0, 5.0]),
            "total": st.sampled_from([None, None, None, 1.0]),
        }
    ),
}


@st.composite
def updates(draw: st.DrawFn, max_rows: int = 8) -> tuple[str, list[Row]]:
    """A node and the rows of a frame for it; some frames lack columns of variables altogether."""
    path = draw(st.sampled_from(sorted(_ROWS)))
    rows = draw(st.lists(_ROWS[path], max_size=max_rows))
    absent = draw(st.sets(st.sampled_from(OPTIONAL[path])))
    return path, [{name: value for name, value in row.items() if name not in absent} for row in rows]


def frame(path: str, rows: list[Row]) -> pl.DataFrame:
    """Rows as a polars frame; without rows it has no optional columns."""
    present = rows[0].keys() if rows else COLUMNS[path].keys() - set(OPTIONAL[path])
    return pl.DataFrame(
        rows, schema={name: dtype for name, dtype in COLUMNS[path].items() if name in present}
    )


def _plain(array: xr.DataArray) -> list[Any]:
    """Labels as the frames hold them: times as counts of their tick."""
    if array.dtype.kind == "M":
        tick = "D" if array.name == "day" else "s"
        return list(array.values.astype(f"datetime64[{tick}]").astype(np.int64).tolist())
    return list(array.values.tolist())


def _na(values: Any) -> Any:
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    elif values.dtype.kind == "i":
        missing = values == np.iinfo(values.dtype).min
    else:
        missing = np.char.startswith(values, "\uffff")
    plain = values.astype(object)
    plain[missing] = None
    return plain
