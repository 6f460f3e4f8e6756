"""Stores as existing writers leave them, made with plain zarr; and what such writers do to stores of ours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

NEW_STRUCTURE = """
ATTRS: {title: Station}
COORDS:
  time:
    name: time
    coords: [time]
    unit: {tick: s, tz: UTC, dayfirst: false, yearfirst: true}
    type: datetime64[s]
    na_value: null
    df_col: time
    source_unit: {tick: s, tz: UTC, dayfirst: false, yearfirst: true}
    range: null
    composed: [time]
    chunk_size: 16
    step_limits: any_new
    sorted: true
VARS:
  level:
    {name: level, coords: [time], unit: meter, type: float64, na_value: .nan, df_col: level,
     source_unit: meter, range: null}
  count:
    {name: count, coords: [time], unit: dimensionless, type: int64, na_value: -9223372036854775808,
     df_col: count, source_unit: dimensionless, range: null}
  note:
    {name: note, coords: [time], unit: dimensionless, type: "str[8]", na_value: null, df_col: note,
     source_unit: dimensionless, range: null}
"""

OLD_STRUCTURE = """
ATTRS: {title: Old station}
COORDS:
  time:
    {name: time, description: "\\n\\ntime of reading", composed: [time], sorted: true, chunk_size: 16,
     step_limits: []}
  place:
    {name: place, description: "", composed: [lat, lon], sorted: false, chunk_size: 8, step_limits: []}
VARS:
  time:
    {name: time, unit: {tick: s, tz: UTC}, description: null, coords: [time], df_col: stamp,
     source_unit: {tick: s, tz: UTC}}
  place: {name: place, unit: "", description: null, coords: [place], df_col: place, source_unit: ""}
  lat: {name: lat, unit: deg, description: null, coords: [place], df_col: latitude, source_unit: deg}
  lon: {name: lon, unit: deg, description: null, coords: [place], df_col: longitude, source_unit: deg}
  temp: {name: temp, unit: degC, description: air, coords: [time, place], df_col: T, source_unit: degC}
  load:
    {name: load, unit: parsnip, description: null, coords: [time, place], df_col: load,
     source_unit: parsnip}
"""

OLD_SCHEMA: dict[str, Any] = {
    "site": {
        "VARS": {
            "lat": {"unit": "deg", "df_col": "latitude", "coords": "place"},
            "lon": {"unit": "deg", "df_col": "longitude", "coords": "place"},
            "temp": {"unit": "degC", "df_col": "T", "coords": ["time", "place"], "description": "air"},
            "load": {"unit": "kW", "coords": ["time", "place"]},
        },
        "COORDS": {
            "time": {"unit": {"tick": "s"}, "df_col": "stamp", "chunk_size": 16},
            "place": {"composed": ["lat", "lon"], "chunk_size": 8},
        },
    }
}

NEW_SCHEMA: dict[str, Any] = {
    "site": {
        "VARS": {
            "level": {"unit": "m", "coords": "time"},
            "count": {"unit": "", "type": "int", "coords": "time"},
            "note": {"unit": "", "type": "str[8]", "coords": "time"},
        },
        "COORDS": {"time": {"unit": {"tick": "s"}, "chunk_size": 16}},
    }
}

SECONDS = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian"}
PLACES = [(50.0, 14.0), (-1.0, -2.0)]


@dataclass
class OlderStore:
    """A store of plain zarr in a folder, with one group `site`."""

    folder: Path

    @property
    def url(self) -> str:
        return str(self.folder)

    def group(self) -> zarr.Group:
        return zarr.open_group(self.folder, mode="a", path="site", zarr_format=3, use_consolidated=False)

    def describe(self, structure: str, **attributes: Any) -> None:
        """Write the attributes of the groups as existing writers do: all anew."""
        root = zarr.open_group(self.folder, mode="a", zarr_format=3, use_consolidated=False)
        root.attrs.put({"title": "Root", **{k: v for k, v in attributes.items() if k == "VERSION"}})
        self.group().attrs.put({"title": "Station", "__structure__": structure, **attributes})

    def array(self, name: str, values: Any, dims: Sequence[str], fill: Any, **attributes: Any) -> None:
        """Write an array as one chunk of the first frame's shape."""
        values = np.asarray(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = self.group().create_array(
                name,
                shape=values.shape,
                dtype=values.dtype,
                chunks=values.shape,
                fill_value=fill,
                dimension_names=list(dims),
                attributes=attributes,
            )
        made[...] = values

    def extend(self, length: int, values: Mapping[str, Any]) -> None:
        """Grow everything along `time`, write a region, and the group's attributes anew."""
        group = self.group()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, array in group.arrays():
                if array.metadata.dimension_names[:1] == ("time",):
                    start = array.shape[0]
                    array.resize((start + length, *array.shape[1:]))
                    array[start:] = values[name]

    def rewrite_attributes(self) -> None:
        """What opening does in existing writers: attributes put anew, without what they do not know."""
        for path in ("", "site"):
            group = zarr.open_group(self.folder, mode="a", path=path, use_consolidated=False)
            group.attrs.put({k: v for k, v in group.attrs.asdict().items() if not k.startswith("__zf_")})

    def raw(self, name: str) -> zarr.Array[Any]:
        """An array as it is stored."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.group()[name]
        assert isinstance(found, zarr.Array)
        return found


def new_generation(folder: Path, times: Sequence[int] = (0, 10, 20)) -> OlderStore:
    """A store by the existing writers of today's generation."""
    store = OlderStore(folder)
    store.describe(NEW_STRUCTURE, VERSION="0.3.1")
    count = len(times)
    store.array("time", np.array(times), ["time"], 0, unit={"tick": "s", "tz": "UTC"}, **SECONDS)
    store.array("level", np.arange(count, dtype=float), ["time"], 0.0, unit="meter")
    store.array("count", np.arange(count), ["time"], 0, unit="dimensionless")
    store.array("note", np.array(["a", "bb", "ccc"] * count)[:count], ["time"], "", unit="dimensionless")
    return store


def older_generation(folder: Path, times: Sequence[int] = (0, 10, 20)) -> OlderStore:
    """A store by the writers of the older generation."""
    store = OlderStore(folder)
    store.describe(OLD_STRUCTURE)
    labels = np.array([hash(place) for place in PLACES])
    shape = (len(times), len(PLACES))
    cells = np.arange(shape[0] * shape[1]).reshape(shape)
    axis = {"description": "\n\ntime of reading", "composed": ["time"], "chunk_size": 16}
    place = {"description": "\n\n", "composed": ["lat", "lon"], "chunk_size": 8}
    store.array("time", np.array(times), ["time"], 0, **axis, **SECONDS)
    store.array("place", labels, ["place"], 0, unit="", df_col="place", **place)
    for name, column, values in zip(
        ("lat", "lon"), ("latitude", "longitude"), zip(*PLACES, strict=True), strict=True
    ):
        store.array(name, np.array(values), ["place"], 0.0, unit="deg", df_col=column, source_unit="deg")
    store.array(
        "temp", cells.astype("f4"), ["time", "place"], 0.0, unit="degC", df_col="T", source_unit="degC"
    )
    store.array("load", cells, ["time", "place"], 0, unit="parsnip", df_col="load", source_unit="parsnip")
    return store
