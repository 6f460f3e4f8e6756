"""Parquet, NetCDF, HDF5 and GRIB from outside, read by a process of its own for each file.

The libraries behind these formats are large, written in C, and were never meant for hostile input. So the
child has no secrets in its environment, bounded memory, bounded time, and (but for GRIB) no right to open
another file. It costs about a third of a second a file; for GRIB about two.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from packages.common.content_types import canonical_type
from packages.common.errors import EmptyPayloadError, PayloadError, UnsupportedTypeError
from packages.common.payloads.binary_limits import MIB, Task
from packages.common.payloads.binary_process import run

if TYPE_CHECKING:
    import xarray as xr

FORMATS = {
    "application/vnd.apache.parquet": "parquet",
    "application/x-netcdf": "netcdf",
    "application/x-hdf5": "hdf5",
    "application/x-grib": "grib",
}
EXTRA = "formats"
NEEDS = {"netcdf": ("h5py", "h5netcdf"), "hdf5": ("h5py", "h5netcdf"), "grib": ("cfgrib", "eccodes")}
MAGIC = {
    "parquet": (b"PAR1",),
    "netcdf": (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05"),
    "hdf5": (b"\x89HDF\r\n\x1a\n",),
    "grib": (b"GRIB", b"BZh"),
}
BZIP2 = b"BZh"


@dataclass(frozen=True)
class Bounds:
    """What one file may cost: bytes once unpacked, variables or columns, memory beyond that, and time."""

    max_bytes: int = 4 << 30
    max_variables: int = 2000
    memory_bytes: int = 1 << 30
    time_s: int = 60


DEFAULT_BOUNDS = Bounds()


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        rows: of a table; None for arrays.
        columns: of a table, or the names of all arrays.
        dims: array → its dimensions; empty for a table.
        sample: the first rows of a table.
        problem: why the arrays are no dataset although the file is sound; then there are none here.
        size_bytes: of the values of all arrays.
        dataset: the arrays themselves, where somebody has asked for them.
    """

    columns: list[str]
    rows: int | None = None
    dims: dict[str, tuple[str, ...]] | None = None
    sample: pl.DataFrame | None = None
    problem: str | None = None
    size_bytes: int = 0
    dataset: xr.Dataset | None = None


def is_binary(content_type: str) -> bool:
    """Whether a content type is one of these formats."""
    return canonical_type(content_type) in FORMATS


def require_support(content_type: str) -> None:
    """Raise UnsupportedTypeError where the libraries of a format are not installed."""
    name = canonical_type(content_type)
    missing = [module for module in NEEDS.get(FORMATS.get(name, ""), ()) if find_spec(module) is None]
    if missing:
        raise UnsupportedTypeError(
            f"Unsupported Content-Type: {name}. This installation lacks the extra {EXTRA!r} "
            f"(pip install 'zarr-fuse-ingress[{EXTRA}]')."
        )


def stored_encoding(content_type: str, beginning: bytes) -> str | None:
    """The encoding that a payload keeps in the queue: `bzip2` for packed GRIB."""
    return (
        "bzip2" if canonical_type(content_type) == "application/x-grib" and beginning[:3] == BZIP2 else None
    )


def refuse_other_beginning(beginning: bytes, content_type: str) -> None:
    """Raise PayloadError where the first eight bytes, or more, are not those of the format."""
    if not beginning:
        raise EmptyPayloadError("the payload is empty")
    if not beginning.startswith(MAGIC[FORMATS[canonical_type(content_type)]]):
        raise PayloadError(f"the payload does not begin like {canonical_type(content_type)}")


def inspect(payload: bytes | Path, content_type: str, bounds: Bounds = DEFAULT_BOUNDS) -> Contents:
    """Read a whole file once and say what it holds.

    Raises:
        PayloadError: it is not of this format, damaged, reaches for other files, or unpacks beyond `bounds`.
        EmptyPayloadError: a table without rows.
        UnsupportedTypeError: the extra `formats` is not installed.
    """
    with _answer(payload, content_type, bounds, keep=False) as (answer, folder):
        if "refused" in answer:
            return Contents([], problem=_refusal(answer, content_type))
        if "arrays" not in answer:
            return _table(answer, pl.read_ipc(folder / "result.sample"))
        dims = {str(one["name"]): tuple(map(str, one["dims"])) for one in answer["arrays"]}
        size_bytes = sum(int(one["size_bytes"]) for one in answer["arrays"])
        return Contents(list(dims), dims=dims, size_bytes=size_bytes)


def read_table(payload: bytes | Path, content_type: str, bounds: Bounds = DEFAULT_BOUNDS) -> pl.DataFrame:
    """The rows of a Parquet file; raises what `inspect` raises."""
    with _answer(payload, content_type, bounds, keep=True) as (answer, folder):
        frame = pl.read_ipc(folder / "output")
        _table(answer, frame)
        return frame


def read_dataset(payload: bytes | Path, content_type: str, bounds: Bounds = DEFAULT_BOUNDS) -> xr.Dataset:
    """The arrays of the root group of a NetCDF, HDF5 or GRIB file, decoded by the CF conventions.

    Raises what `inspect` raises, and PayloadError where the arrays make no dataset.
    """
    from packages.common.payloads.binary_dataset import dataset_of

    with _answer(payload, content_type, bounds, keep=True) as (answer, folder):
        if "refused" in answer:
            raise PayloadError(_refusal(answer, content_type))
        return dataset_of(answer["arrays"], folder / "output")


def _table(answer: dict[str, Any], sample: pl.DataFrame) -> Contents:
    if not answer["rows"]:
        raise EmptyPayloadError("the Parquet file has no rows")
    return Contents(list(answer["columns"]), rows=int(answer["rows"]), sample=sample)


@contextmanager
def _answer(
    payload: bytes | Path, content_type: str, bounds: Bounds, *, keep: bool
) -> Iterator[tuple[dict[str, Any], Path]]:
    require_support(content_type)
    name = FORMATS[canonical_type(content_type)]
    beginning = _beginning(payload)
    refuse_other_beginning(beginning, content_type)
    if name == "netcdf" and beginning.startswith(b"CDF"):
        name = "netcdf3"
    with tempfile.TemporaryDirectory(prefix="payload-") as raw_folder:
        folder = Path(raw_folder)
        answer = run(_task(name, _file(payload, folder), folder, bounds, keep=keep), bounds.time_s)
        if "refused" in answer and answer.get("kind") != "NoCubeError":
            raise PayloadError(_refusal(answer, content_type))
        yield answer, folder


def _task(name: str, payload: Path, folder: Path, bounds: Bounds, *, keep: bool) -> Task:
    return Task(
        format=name,
        payload=str(payload),
        result=str(folder / "result"),
        output=str(folder / "output") if keep else None,
        max_bytes=bounds.max_bytes,
        max_variables=bounds.max_variables,
        memory_bytes=bounds.memory_bytes + 64 * MIB,
        cpu_s=bounds.time_s,
    )


def _file(payload: bytes | Path, folder: Path) -> Path:
    if isinstance(payload, Path):
        return payload.absolute()
    path = folder / "payload"
    path.write_bytes(payload)
    return path


def _beginning(payload: bytes | Path) -> bytes:
    if isinstance(payload, bytes):
        return payload[:16]
    with payload.open("rb") as file:
        return file.read(16)


def _refusal(answer: dict[str, Any], content_type: str) -> str:
    return f"the payload is not taken as {canonical_type(content_type)}: {answer['refused']}"
