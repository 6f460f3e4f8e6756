"""A small survey: its schema, random frames for it, and a model of what the store must hold after them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from hypothesis import strategies as st

WIDEST = """
ATTRS: {title: River survey}
upper:
  VARS:
    stage:   {unit: m, coords: [when, gauge]}
    count:   {unit: "", type: int, coords: [when, gauge]}
    note:    {unit: "", type: "str[4]", coords: [when, gauge]}
    owner:   {unit: "", type: "str[4]", coords: gauge}
    state:   {unit: "", type: "str[4]", coords: [when, gauge], range: {discrete: [good, bad]}}
    extra:   {unit: m, coords: [when, gauge]}
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
tide:
  VARS:
    level:   {unit: m, coords: [minute, layer]}
    calls:   {unit: "", type: int, coords: [layer, minute]}
    phase:   {unit: "", type: "str[5]", coords: minute, range: {discrete: [ebb, flood]}}
    mood:    {unit: "", type: "str[4]", coords: [minute, layer]}
  COORDS:
    minute:  {unit: {tick: m}, step_limits: [2, 3], chunk_size: 3}
    layer:   {unit: m, step_limits: [1, 2], chunk_size: 2}
"""
Row = Mapping[str, Any]
Gap = tuple[Any, Any, list[Any]]  # two neighbours, and the labels to fill in between them


@dataclass(frozen=True)
class Variant:
    """One of the schemas of the survey: without some variables, and with limits of its own."""

    absent: frozenset[str] = frozenset()
    minutes: tuple[int, int] = (2, 3)

    @property
    def schema(self) -> str:
        """The text of the schema."""
        lines = [line for line in WIDEST.splitlines() if line.split(":")[0].strip() not in self.absent]
        return "\n".join(lines).replace("[2, 3]", str(list(self.minutes)))


VARIANTS = {
    "usual": Variant(frozenset({"extra"})),
    "narrow": Variant(frozenset({"extra", "note", "owner", "state", "wind", "mood", "phase"})),
    "wide": Variant(minutes=(1, 4)),
}
SCHEMA = VARIANTS["usual"].schema


@dataclass(frozen=True)
class NodeModel:
    """A node by the rules of the merge: `axes` in stored order, `cells` by variable and labels."""

    coordinates: Mapping[str, tuple[str, ...]]  # coordinate -> its key columns
    possible: Mapping[str, tuple[str, ...]]  # variable -> its coordinates
    variables: dict[str, tuple[str, ...]] = field(default_factory=dict)  # those of the schemas so far
    steps: dict[str, tuple[float, float]] = field(default_factory=dict)  # coordinate -> limits in force
    axes: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    cells: dict[str, dict[tuple[Any, ...], Any]] = field(default_factory=dict)

    def update(self, rows: Iterable[Row]) -> None:
        """Merge the rows of one frame."""
        rows = self._admitted([row for row in rows if self._labels(row) is not None])
        gaps = {name: self._gaps(name, rows) for name in self.steps}
        self._take(rows)
        self._fill(rows, gaps)

    def _take(self, rows: list[Row]) -> None:
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

    def _fill(self, rows: list[Row], gaps: Mapping[str, list[Gap]]) -> None:
        for name, found in gaps.items():
            new = [(label,) for *_, labels in found for label in labels]
            if new:
                self.axes[name] = sorted([*self.axes[name], *new])
        for name, coords in self.variables.items():
            brought = {self._place(row, coords): row[name] for row in rows if row.get(name) is not None}
            for axis, coord in enumerate(coords):
                for gap in gaps.get(coord, []):
                    brought |= self._between(name, axis, gap, brought)

    def opened(self, variant: Variant) -> None:
        """What a schema adds to the node, and the limits it brings."""
        self.variables.update({k: v for k, v in self.possible.items() if k not in variant.absent})
        if "minute" in self.coordinates:
            self.steps.update(minute=variant.minutes, layer=(1, 2))

    def _admitted(self, rows: list[Row]) -> list[Row]:
        """The rows that neither contradict each other nor come too late or too soon."""
        late = {i for i, row in enumerate(rows) if any(self._is_late(name, row[name]) for name in self.steps)}
        kept = self._without_contradictions(rows, late)
        for name, (shortest, _) in self.steps.items():
            if self.axes.get(name):
                last, taken = self.axes[name][-1][0], set()
                for label in sorted({row[name] for row in kept if row[name] > last}):
                    if label - last >= shortest:
                        taken.add(label)
                        last = label
                kept = [row for row in kept if (row[name],) in self.axes[name] or row[name] in taken]
        return kept

    def _is_late(self, name: str, label: Any) -> bool:
        axis = self.axes.get(name)
        return bool(axis) and label < axis[-1][0] and (label,) not in axis

    def _gaps(self, name: str, rows: list[Row]) -> list[Gap]:
        """Neighbours that are too far apart, and the labels to fill in."""
        found: list[Gap] = []
        lasts = [label for (label,) in self.axes.get(name, [])[-1:]]
        ladder = sorted({*lasts, *(row[name] for row in rows if lasts and row[name] > lasts[0])})
        for low, high in itertools.pairwise(ladder):
            parts = math.ceil((high - low) / self.steps[name][1])
            if isinstance(low, int):
                new = [low + (high - low) * number // parts for number in range(1, parts)]
            else:
                new = [low + (high - low) * (number / parts) for number in range(1, parts)]
            found.append((low, high, new))
        return found

    def _between(self, name: str, axis: int, gap: Gap, brought: Any) -> dict[Any, Any]:
        """Cells of filled-in labels, below cells that the frame has brought."""
        (low, high, new), made = gap, {}
        for place, above in list(brought.items()):
            below = self.cells.get(name, {}).get((*place[:axis], (low,), *place[axis + 1 :]))
            if place[axis] != (high,) or below is None:
                continue
            for label in new:
                weight = (label - low) / (high - low)
                linear = isinstance(above, float)
                value = below + (above - below) * weight if linear else (above if weight > 0.5 else below)
                made[(*place[:axis], (label,), *place[axis + 1 :])] = value
        self.cells.setdefault(name, {}).update(made)
        return made

    def _labels(self, row: Row) -> tuple[Any, ...] | None:
        values = [row.get(key) for keys in self.coordinates.values() for key in keys]
        return None if any(value is None for value in values) else tuple(values)

    def _place(self, row: Row, coords: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(tuple(row[key] for key in self.coordinates[coord]) for coord in coords)

    def _without_contradictions(self, rows: list[Row], dropped_before: Iterable[int]) -> list[Row]:
        dropped = set(dropped_before)
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
            if not np.array_equal(_values(name, dataset[name].values), expected):
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
    """The models of all nodes, empty, under the usual schema."""
    both = ("when", "gauge")
    upper = NodeModel(
        {"when": ("when",), "gauge": ("east", "north")},
        {
            "stage": both,
            "count": both,
            "note": both,
            "owner": ("gauge",),
            "state": both,
            "extra": both,
            "east": ("gauge",),
            "north": ("gauge",),
        },
    )
    weir = NodeModel(
        {"day": ("day",), "site": ("site",), "depth": ("depth",)},
        {"flow": ("day", "site", "depth"), "wind": ("day",), "total": ()},
    )
    tide = NodeModel(
        {"minute": ("minute",), "layer": ("layer",)},
        {
            "level": ("minute", "layer"),
            "calls": ("layer", "minute"),
            "phase": ("minute",),
            "mood": ("minute", "layer"),
        },
    )
    found = {"upper": upper, "lower/weir": weir, "tide": tide}
    for model in found.values():
        model.opened(VARIANTS["usual"])
    return found


COLUMNS: dict[str, dict[str, Any]] = {
    "upper": {
        "when": pl.Int64,
        "east": pl.Float64,
        "north": pl.Float64,
        "stage": pl.Float64,
        "count": pl.Int64,
        "note": pl.String,
        "owner": pl.String,
        "state": pl.String,
        "extra": pl.Float64,
    },
    "lower/weir": {
        "day": pl.Int64,
        "site": pl.String,
        "depth": pl.Float64,
        "flow": pl.Float64,
        "wind": pl.Float64,
        "total": pl.Float64,
    },
    "tide": {
        "minute": pl.Int64,
        "layer": pl.Float64,
        "level": pl.Float64,
        "calls": pl.Int64,
        "phase": pl.String,
        "mood": pl.String,
    },
}
CODED = {"state": ["good", "bad"], "phase": ["ebb", "flood"]}
OPTIONAL = {
    "upper": ["stage", "count", "note", "owner", "state", "extra"],
    "lower/weir": ["flow", "wind", "total"],
    "tide": ["level", "calls", "phase", "mood"],
}
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
            "state": st.sampled_from([None, "good", "bad"]),
            "extra": _number,
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
    "tide": st.fixed_dictionaries(
        {
            "minute": st.integers(0, 30),
            "layer": st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]),
            "level": _number,
            "calls": st.sampled_from([None, 1, 2**53 + 1]),
            "phase": st.sampled_from([None, None, "ebb", "flood"]),
            "mood": st.sampled_from([None, "calm", "wild"]),
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
        tick = {"day": "D", "minute": "m"}.get(str(array.name), "s")
        return list(array.values.astype(f"datetime64[{tick}]").astype(np.int64).tolist())
    return list(array.values.tolist())


def _values(name: str, values: Any) -> Any:
    """Cells as the frames hold them, None for NA."""
    if name in CODED:
        return np.array([None, *CODED[name]], dtype=object)[values]
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    elif values.dtype.kind == "i":
        missing = values == np.iinfo(values.dtype).min
    else:
        missing = np.char.startswith(values, "\uffff")
    plain = values.astype(object)
    plain[missing] = None
    return plain
