"""Schemas that several modules of tests read, and short ways to one entry."""

from __future__ import annotations

from zarr_fuse.schema import Coord, Variable, deserialize

RIVER = """
ATTRS: {title: River survey, STORE_URL: "s3://hydro/river.zarr", S3_ENDPOINT_URL: "https://objects.example.net"}
upper:
  VARS:
    stage:   {unit: m, source_unit: ft, df_col: "Level (ft)", coords: [when, gauge],
              range: {interval: [0, 40, ft]}, attrs: {device: radar}}
    quality: {unit: "", type: "str[10]", coords: [when, gauge], range: {discrete: [good, suspect, bad]}}
    east:    {unit: km, coords: gauge}
    north:   {unit: km, coords: gauge}
  COORDS:
    when:  {unit: {tick: s}, source_unit: {tick: s, tz: "Europe/Lisbon", dayfirst: true}, chunk_size: 4096}
    gauge: {composed: [east, north], chunk_size: 32}
"""


def variable(document: str) -> Variable:
    return deserialize(f"VARS: {{v: {document}}}").ds.VARS["v"]


def coord(document: str) -> Coord:
    return deserialize(f"VARS: {{v: {{unit: m, coords: x}}}}\nCOORDS: {{x: {document}}}").ds.COORDS["x"]
