"""Small files of the binary formats, sound ones and hostile ones."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

PARQUET, NETCDF = "application/vnd.apache.parquet", "application/x-netcdf"
HDF5, GRIB = "application/x-hdf5", "application/x-grib"
TIMES = np.array([0.0, 1.0, 2.0])
NAMES = ["east", "west"]
VALUES = np.arange(6.0).reshape(3, 2)


def parquet(frame: pl.DataFrame | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    made = frame if frame is not None else pl.DataFrame({"time": ["2026-10-01T00:00:00Z"], "name": ["east"]})
    made.write_parquet(buffer, **options)
    return buffer.getvalue()


def netcdf4(**options: Any) -> bytes:
    """`temperature` over `time` (hours since 2026-10-01) and `name`."""
    import h5netcdf
    import h5py

    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        file.dimensions = {"time": 3, "name": 2}
        file.create_variable("time", ("time",), "f8", data=TIMES).attrs["units"] = "hours since 2026-10-01"
        names = file.create_variable("name", ("name",), h5py.string_dtype())
        for number, name in enumerate(NAMES):
            names[number] = name
        file.create_variable("temperature", ("time", "name"), "f8", data=VALUES, **options)
    return buffer.getvalue()


def hdf5(path: Path, build: Any) -> bytes:
    """What `build` makes of an open h5py file."""
    import h5py

    with h5py.File(path, "w") as file:
        build(file)
    return path.read_bytes()


def grib(hours: int = 2, **keys: Any) -> bytes:
    """`t2m` at so many hours, 31 × 16 points."""
    import eccodes

    messages = b""
    for hour in range(hours):
        handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        for key, value in ({"shortName": "2t", "dataTime": 100 * hour} | keys).items():
            eccodes.codes_set(handle, key, value)
        points = eccodes.codes_get_size(handle, "values")
        eccodes.codes_set_values(handle, np.linspace(270, 300 + hour, points))
        messages += eccodes.codes_get_message(handle)
        eccodes.codes_release(handle)
    return messages


def netcdf3(version: int = 1, records: int = 3, declared: int | None = None) -> bytes:
    """The same as `netcdf4` in a classic format; `time` is its record dimension, names are numbers."""
    counted = "Q" if version == 5 else "I"

    def count(value: int) -> bytes:
        return struct.pack(f">{counted}", value)

    def name(text: str) -> bytes:
        return count(len(text)) + text.encode() + bytes(-len(text) % 4)

    def variable(text: str, dims: list[int], units: str, size: int, begin: int) -> bytes:
        offset = struct.pack(">I" if version == 1 else ">Q", begin)
        attribute = name("units") + struct.pack(">I", 2) + name(units)
        return (
            name(text)
            + count(len(dims))
            + b"".join(map(count, dims))
            + struct.pack(">I", 12)
            + count(1)
            + attribute
            + struct.pack(">I", 6)
            + count(size)
            + offset
        )

    def header(at: int) -> bytes:
        dims = name("time") + count(0) + name("name") + count(2)
        return (
            b"CDF"
            + bytes([version])
            + count(records if declared is None else declared)
            + struct.pack(">I", 10)
            + count(2)
            + dims
            + struct.pack(">I", 0)
            + count(0)
            + struct.pack(">I", 11)
            + count(3)
            + variable("name", [1], "1", 16, at)
            + variable("time", [0], "hours since 2026-10-01", 8, at + 16)
            + variable("temperature", [0, 1], "degC", 16, at + 24)
        )

    start = len(header(0))
    rows = b"".join(
        struct.pack(">d", TIMES[row]) + VALUES[row].astype(">f8").tobytes() for row in range(records)
    )
    return header(start) + np.array([10.0, 20.0], ">f8").tobytes() + rows
